/** The limits of the protocol. Lengths are in UTF-16 code units, the unit of JavaScript strings. */
export const LIMITS = {
  /** Longest message content. */
  contentLength: 10_000,
  /** Longest group name and longest full name of a person. */
  nameLength: 200,
  /** Longest user id; ids are chosen by the product that embeds Parley. */
  userIdLength: 128,
  /** Longest URL of a person's photo. */
  photoLength: 2_048,
  /** Longest token; a longer one is rejected unparsed. One with every claim at its limit has some 5,000 characters. */
  tokenLength: 16_384,
  /** Longest `clientMessageId`, and longest `clientConversationId`. */
  clientMessageIdLength: 128,
  /** Most members of a group, its creator included. */
  groupSize: 1_000,
  /** Largest page of any list. */
  pageSize: 100,
  /** Most people that a service may create or update in one request. */
  usersPerRequest: 1_000,
  /** Longest search query. */
  searchLength: 200,
  /** Most attachments of a message. */
  attachmentsPerMessage: 10,
  /** Longest file name, in bytes of UTF-8: the limit of common file systems. */
  fileNameBytes: 255,
  /** Largest JSON body over HTTP, in bytes. (A gateway reads packets of up to 2 MiB, so that it can say what is too long.) */
  payloadBytes: 256 * 1024,
  /** A list of conversations includes this many members of each; `GET …/conversations/:id` includes all. */
  listedParticipants: 100,
  /** Presence is shared within direct conversations, and within groups of at most this many members. */
  presenceGroupSize: 100,
  /** Most conversations that a client may list in one sync. */
  syncConversations: 1_000,
  /** Longest name of a history of the database (`epoch`). */
  epochLength: 128,
  /** A conversation with more new and changed messages than this is returned with `tooLong`. */
  syncMessages: 100,
  /** How long a person is shown as typing after their last `typing`, in milliseconds. */
  typingMs: 6_000,
} as const
