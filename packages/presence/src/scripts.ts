import { script } from './redis.ts'

// Each script touches a single key, except the reading one. Time is Redis' own, in milliseconds. Numbers are formatted with
// %.0f, because Lua would write large ones in scientific notation.
const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
`

/**
 * Makes a user's hash contain exactly these connections of one epoch. Idempotent, as it is always given the complete state.
 * A user who disconnects without an entry was removed and reported offline before, or Redis came back empty. Their grace must
 * count as over: otherwise the next connection would take them for never gone and not be announced.
 * KEYS: user. ARGV: epoch with its dot, incarnation, graceMs, lingerMs (how much longer than the grace a user who disconnects
 * has to come back), then connections and values alternating.
 * Returns [1 if the user counted as online because of this epoch's earlier incarnations or the grace, 1 if this incarnation
 * had entries of theirs, ...incarnations of other epochs].
 */
export const assertScript = script(`${clock}
local here, before, left, wanted, others = false, false, nil, {}, {}
local own = ARGV[2] .. ':'
for i = 5, #ARGV, 2 do wanted[own .. ARGV[i]] = ARGV[i + 1] end
local hash = redis.call('HGETALL', KEYS[1])
for i = 1, #hash, 2 do
  if hash[i] == 'left' then
    left = tonumber(hash[i + 1])
  elseif string.sub(hash[i], 1, #ARGV[1]) == ARGV[1] then
    if string.sub(hash[i], 1, #own) == own then here = true else before = true end
    if not wanted[hash[i]] then redis.call('HDEL', KEYS[1], hash[i]) end
  else
    others[#others + 1] = string.match(hash[i], '^[^:]*')
  end
end
for field, value in pairs(wanted) do redis.call('HSET', KEYS[1], field, value) end
if next(wanted) then
  redis.call('HDEL', KEYS[1], 'left')
elseif here or before then
  redis.call('HSET', KEYS[1], 'left', text(now + tonumber(ARGV[4])))
elseif not left then
  redis.call('HSET', KEYS[1], 'left', text(now - tonumber(ARGV[3])))
end
local online = before or (left ~= nil and left + tonumber(ARGV[3]) > now)
return { online and 1 or 0, here and 1 or 0, unpack(others) }
`)

/** Schedules a user for the reaper after a delay. KEYS: leaving. ARGV: delay in ms, user id. */
export const leaveScript = script(`${clock}
return redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[1])), ARGV[2])
`)

/**
 * Claims users who are due by postponing each by claimMs: other reapers skip them meanwhile, and if this one dies they are due
 * again. KEYS: leaving. ARGV: maximum number, claimMs. Returns [the new score, ...user ids].
 */
export const claimScript = script(`${clock}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, ARGV[1])
local score = text(now + tonumber(ARGV[2]))
for _, person in ipairs(due) do redis.call('ZADD', KEYS[1], score, person) end
return { score, unpack(due) }
`)

/**
 * Ends a claim: removes the user, or postpones them by a delay. A score other than the claim's is newer and is kept.
 * KEYS: leaving. ARGV: user id, the claim's score, delay in ms or -1 to remove.
 */
export const settleScript = script(`${clock}
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if tonumber(ARGV[3]) < 0 then return redis.call('ZREM', KEYS[1], ARGV[1]) end
return redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[3])), ARGV[1])
`)

/**
 * Removes the connections of dead incarnations from a user's hash and returns the resulting state.
 * KEYS: user. ARGV: graceMs, leaseMs, then the dead incarnations.
 * Returns ['online'], ['gone'] (nothing is known of the user), ['leaving', remaining ms] or ['offline', left].
 */
export const judgeScript = script(`${clock}
local grace, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local dead, connections, left, died = {}, 0, nil, false
for i = 3, #ARGV do dead[ARGV[i]] = true end
local hash = redis.call('HGETALL', KEYS[1])
for i = 1, #hash, 2 do
  if hash[i] == 'left' then
    left = tonumber(hash[i + 1])
  elseif dead[string.match(hash[i], '^[^:]*')] then
    redis.call('HDEL', KEYS[1], hash[i])
    died = true
  else
    connections = connections + 1
  end
end
if died then
  -- The dead gateway last renewed its lease about leaseMs ago; there is no better estimate.
  left = math.max(left or 0, now - lease)
  redis.call('HSET', KEYS[1], 'left', text(left))
end
if connections > 0 then
  if left then redis.call('HDEL', KEYS[1], 'left') end
  return { 'online' }
end
if not left then return { 'gone' } end
if left + grace > now then return { 'leaving', text(left + grace - now) } end
return { 'offline', text(left) }
`)

/** Deletes a user whose `left` has not changed since judged. KEYS: user. ARGV: left. Returns 1, or 0 if they came back. */
export const forgetScript = script(`
if redis.call('HGET', KEYS[1], 'left') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

/**
 * Reads users' connections. A page of conversations has eighty users: with one command each, they would cost the api more than
 * the rest of the page. KEYS: users. ARGV: graceMs.
 * Returns for each a text of lines: 1 if they are leaving or 0, then `incarnation:1` or `:0` (visible or not).
 */
export const readScript = script(`${clock}
local grace, people = tonumber(ARGV[1]), {}
for number, key in ipairs(KEYS) do
  local lines, hash = { '0' }, redis.call('HGETALL', key)
  for i = 1, #hash, 2 do
    if hash[i] == 'left' then
      if tonumber(hash[i + 1]) + grace > now then lines[1] = '1' end
    else
      lines[#lines + 1] = string.match(hash[i], '^[^:]*') .. ':' .. string.sub(hash[i + 1], 1, 1)
    end
  end
  people[number] = table.concat(lines, '\\n')
end
return people
`)
