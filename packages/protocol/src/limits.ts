/** The bounds of the protocol, in one place. Lengths are in UTF-16 code units, as JavaScript counts them. */
export const LIMITS = {
  /** Longest content of a message. */
  contentLength: 10_000,
  /** Longest name of a group and longest full name of a person. */
  nameLength: 200,
  /** Longest id of a person; the product that embeds Parley chooses these. */
  userIdLength: 128,
  /** Longest address of a person's photo. */
  photoLength: 2_048,
  /** Longest token; a longer one is refused unread. One with every claim at its limit has some 5,000 characters. */
  tokenLength: 16_384,
  /** Longest `clientMessageId`, and longest `clientConversationId`. */
  clientMessageIdLength: 128,
  /** Most people in a group, its creator included. */
  groupSize: 1_000,
  /** Largest page of any list. */
  pageSize: 100,
  /** Most people that a service may write in one request. */
  usersPerRequest: 1_000,
  /** Longest text of a search. */
  searchLength: 200,
  /** Most files that one message may have. */
  attachmentsPerMessage: 10,
  /** Longest name of a file, in bytes of UTF-8: what common file systems take. */
  fileNameBytes: 255,
  /** Largest JSON body over HTTP, in bytes. (A gateway reads packets of up to 2 MiB, to be able to say what is too long.) */
  payloadBytes: 256 * 1024,
  /** A list of conversations shows this many people of each; `GET …/conversations/:id` shows all. */
  listedParticipants: 100,
  /** Presence is shared within direct conversations and groups of at most this many people. */
  presenceGroupSize: 100,
  /** Most conversations that a client may name in one sync. */
  syncConversations: 1_000,
  /** A conversation with more new and changed messages than this is answered with `tooLong`. */
  syncMessages: 100,
  /** A person is shown as typing for this long after their last `typing`, in milliseconds. */
  typingMs: 6_000,
} as const
