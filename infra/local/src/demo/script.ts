/** One demo conversation, in the notation used below. */
export interface DemoConversation {
  /** Undefined for a direct conversation. */
  name?: string
  /** Ids of the participants; the first one creates the conversation. */
  people: readonly string[]
  /** How long ago its last message was, in minutes. */
  endedMinutesAgo: number
  /** Its messages, one per line: `person: text`, or `person [file]: text` with a file; `+ 16h` is a pause. */
  lines: string
  /** How many of the last messages a person has not read. */
  unread?: Readonly<Record<string, number>>
}

const STAND_UPS = [
  ['mei', 'Receipts are grouped now: one event for a burst instead of twenty. Today: the same for presence.'],
  ['kwame', 'The import ran through the night, 1.2 million rows, no retries. Today I look at the three odd ones.'],
  ['sofia', 'Dark mode has its last two colours. Today: the empty states.'],
  ['fatima', 'Talked to the port authority. They want the map to load on a tablet from 2016. I have one on my desk.'],
  ['mei', 'Found why search missed full-width digits. Fixed, with a test. Today: reviews.'],
  ['kwame', 'Backups restored into an empty cluster in 11 minutes. Wrote down every step.'],
  ['ahmed', 'The budget is signed. Thank you all for the numbers, they asked for each of them.'],
  ['sofia', 'The icons are in. If one looks odd at 16 px, tell me, not the wall.'],
  ['fatima', 'Two sailors tried the new form. Both found the button, one loved it.'],
  ['mei', 'Half a day of meetings, half a day of deleting code. 900 lines fewer.'],
  ['kwame', 'Certificates renew by themselves now. I still get a mail, for the feeling.'],
  ['ahmed', 'I am out on Thursday afternoon. Fatima decides what cannot wait.'],
  ['sofia', 'Reading the accessibility report. Three contrasts to mend, the rest is green.'],
  ['fatima', 'The translations came back: Arabic, Italian, Chinese. Mei, would you read the Chinese ones?'],
  ['mei', '好的，今天下午看。 (Yes, this afternoon.)'],
  ['kwame', 'Load test at noon. If the coffee machine slows down, it was not me.'],
] as const

/** Generates thirty days of stand-ups: something to scroll through. */
function standUps(): string {
  const days = Array.from({ length: 30 }, (_, day) => {
    const notes = Array.from({ length: 4 }, (_, note) => STAND_UPS[(day * 5 + note * 3) % STAND_UPS.length])
    const said = new Set<string>()
    const lines = notes.flatMap((note) => {
      if (note === undefined || said.has(note[0])) return []
      said.add(note[0])
      return [`${note[0]}: ${note[1]}`]
    })
    return ['ahmed: Good morning! What is done, what is next?', ...lines].join('\n')
  })
  return days.join('\n+ 23h\n')
}

/** The conversations of an empty local cluster. Ahmed and Fatima are in most of them. */
export const DEMO_CONVERSATIONS: readonly DemoConversation[] = [
  {
    people: ['fatima', 'ahmed'],
    endedMinutesAgo: 4,
    unread: { ahmed: 2 },
    lines: `
fatima: Hello Ahmed! Did the boat come in on time?
ahmed: Hello! Half an hour late, and everybody in good spirits.
ahmed: The harbour master says we may put up the screen next to the ticket office.
fatima: That is the best place there is. Did he say anything about power?
ahmed: There is a socket behind the ice machine. I have seen it with my own eyes.
+ 20h
fatima: I drew where the cable would go. Tell me if it is nonsense.
fatima [sketch]: The harbour, seen from the ticket office
ahmed: It is very clear. I like that the birds are to scale.
fatima: The birds are decoration!
ahmed: I will not tell anybody.
+ 21h
ahmed: Here is the timetable as they publish it: https://example.com/harbour/timetable?season=winter (the PDF is better than the page)
fatima: Got it. I put it into the folder.
ahmed: صباح الخير فاطمة، هل نلتقي غدا عند الميناء؟
fatima: صباح النور! نعم، الساعة العاشرة عند مكتب التذاكر.
ahmed: ممتاز 👍
+ 18h
fatima: The tablet works. It needs four seconds for the map, and then it is smooth.
ahmed: Four is fine. It was eleven last week.
ahmed: Shall we show it to the others on Thursday?
fatima: Yes. I will bring the screen, you bring the socket. 🙂
+ 3h
fatima: One more thing: they ask whether messages survive when the ferry is out of reach.
fatima: I said yes, they wait on the phone and go out when there is a network again. That is still true, is it?`,
  },
  {
    name: 'Harbour launch',
    people: ['ahmed', 'fatima', 'mei', 'sofia', 'kwame'],
    endedMinutesAgo: 27,
    unread: { ahmed: 3, fatima: 1 },
    lines: `
ahmed: Welcome, everybody. This is where we get the harbour ready.
mei: Hello! 👋
sofia: Ciao a tutti!
kwame: Good to be here.
fatima: The date is fixed: the 12th, at noon, at the pier.
ahmed: Then let us count backwards. What has to be there a week before?
kwame: The servers. They are there already, but I would like to have pulled a plug once before.
mei: And the search. People will look for a ferry by its old name.
sofia: The poster! I have three drafts. Which colour should the sea have?
fatima: Blue?
sofia: Fatima. There are forty blues.
+ 22h
sofia: The second draft, with blue number seventeen.
sofia [poster]: Poster, second draft
ahmed: Number seventeen it is.
mei: 很漂亮！ (Beautiful!)
kwame: My daughter wants one for her room. That is the highest grade she gives.
sofia: She gets the first print.
+ 19h
kwame: I pulled the plug of one gateway at lunch. Nobody noticed, which is the idea.
fatima: I noticed nothing, and I was typing to Mei just then.
mei: I can confirm: no gap, nothing twice.
ahmed: Write that into the notes, please, with the time.
kwame [notes]: All plugs that I pulled, and when
+ 20h
ahmed: The harbour master asks for the guest list. I have 40 names. Who is missing?
fatima: The two sailors who tried the form. They should be in the first row.
sofia: And the printer's people.
ahmed: Added. 44 with their families.
mei: The weather looks good: https://example.com/weather/harbour
sofia: Then no tents. Grazie, tempo.
kwame: Rehearsal tomorrow at nine, at the pier, with everything plugged in.`,
  },
  {
    name: 'Stand-up',
    people: ['ahmed', 'fatima', 'mei', 'sofia', 'kwame'],
    endedMinutesAgo: 190,
    lines: standUps(),
  },
  {
    people: ['mei', 'ahmed'],
    endedMinutesAgo: 75,
    unread: { ahmed: 1 },
    lines: `
mei: 你好 Ahmed! The Chinese texts are read. Two words changed, the rest was good.
ahmed: Thank you, Mei. Which two?
mei: 码头 instead of 港口 where it means the pier, and 渡轮 everywhere for the ferry.
ahmed: I trust you with both.
+ 5h
mei: There is a talk about full text search in many languages on Friday. Shall we go?
mei: https://example.com/talks/search-in-forty-languages`,
  },
  {
    name: 'عشاء الجمعة 🍲',
    people: ['fatima', 'ahmed', 'kwame'],
    endedMinutesAgo: 310,
    lines: `
fatima: مساء الخير! من سيأتي يوم الجمعة؟
ahmed: أنا وعائلتي، خمسة أشخاص.
kwame: I am learning: أنا أيضا! Did I write that right?
fatima: ممتاز يا كوامي! Perfect.
ahmed: سأحضر الخبز والتمر. ماذا عن المشروبات؟
kwame: I bring the hibiscus tea. My mother's recipe.
fatima: رائع، الساعة السابعة إذن.`,
  },
  {
    people: ['kwame', 'ahmed'],
    endedMinutesAgo: 1_500,
    lines: `
kwame: The new disks are in. We had 71 % full, now it is 34 %.
ahmed: How long will that last?
kwame: At this pace, two years. I will ask again in one.
ahmed: Good. Thank you for doing it on a Sunday.
kwame: The office is quiet on Sundays. I played the radio.`,
  },
  {
    people: ['sofia', 'fatima'],
    endedMinutesAgo: 95,
    unread: { fatima: 2 },
    lines: `
sofia: Ciao Fatima! Hai visto i colori nuovi?
fatima: Yes! The green for "online" is much easier to see now.
sofia: It has a contrast of 4.8 on white. I measured everything twice.
+ 2h
sofia: Would you look at the empty list once more? I wrote "Nobody here yet" and I am not sure.
sofia: "Say hello to somebody" would be kinder.`,
  },
]
