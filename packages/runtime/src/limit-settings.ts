import { defineSettings, setting } from './config.ts'
import { flag, wholeNumber } from './setting-values.ts'

const limit = { expected: 'a whole number; 0 for no limit' }

/** Limits of a gateway. Generous outside production, where one machine may simulate a thousand clients. */
export const gatewayLimitSettings = defineSettings({
  SOCKET_EVENTS_PER_10S: setting(wholeNumber(), 'Events that one socket may send in ten seconds', {
    ...limit,
    default: '1000',
    developmentDefault: '50000',
  }),
  SOCKET_EVENTS_IN_FLIGHT: setting(wholeNumber(1), 'Maximum number of unanswered events of one socket', {
    expected: 'a whole number from 1',
    default: '500',
    developmentDefault: '5000',
  }),
  HANDSHAKES_PER_10S: setting(wholeNumber(), 'New connections that one gateway accepts in ten seconds', {
    ...limit,
    default: '10000',
    developmentDefault: '0',
  }),
  HANDSHAKES_PER_ADDRESS_PER_10S: setting(
    wholeNumber(),
    'New connections that one gateway accepts from one address in ten seconds',
    { ...limit, default: '1000', developmentDefault: '0' },
  ),
})

export const drainSettings = defineSettings({
  DRAIN_DELAY_MS: setting(
    wholeNumber(0, 10_000),
    'Milliseconds between becoming not ready and closing anything, so that the balancer can notice',
    { expected: 'a whole number up to 10000', default: '2000', developmentDefault: '0' },
  ),
})

/** Settings with which tests break guarantees on purpose. */
export const testOnlySettings = defineSettings({
  PARLEY_TEST_ACK_BEFORE_COMMIT: setting(
    flag,
    'For tests only: acknowledges messages before they are stored, so that `npm run chaos` has losses to find',
    { expected: 'true or false, outside production only', default: 'false', testOnly: true },
  ),
})

/** Limits of an api pod. Requests are counted in Redis across all pods; without Redis none is refused. */
export const apiLimitSettings = defineSettings({
  HTTP_REQUESTS_PER_10S: setting(wholeNumber(), 'HTTP requests that one user may make in ten seconds', {
    ...limit,
    default: '600',
    developmentDefault: '50000',
  }),
  PEOPLE_ADDED_PER_10S: setting(
    wholeNumber(),
    'Members that one user may add to conversations in ten seconds, per api pod',
    { ...limit, default: '5000', developmentDefault: '0' },
  ),
  CONVERSATIONS_PER_PERSON: setting(
    wholeNumber(),
    'Conversations that one user may be in; only a service adds a user to more',
    { ...limit, default: '10000', developmentDefault: '0' },
  ),
})
