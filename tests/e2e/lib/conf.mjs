/* Configuration fragments that several tests share. */
import { secret } from './token.mjs';

export const jwt = `jwt { algorithms = {"HS256"} secret = "${secret}" }\n`;

/* Without tokens: "/" answers acks with what it got; "/echo" the same. */
const echoRules = (name) => `
namespace "${name}" {
    auth = none
    room "{name}" { join = open }
    event "q"    { to = sender meta = off ack = echo }
    event "ask"  { ack = echo }
    event "ping" { to = sender ack = accepted }
    event "say"  { to = namespace ack = delivered }
    event "tell" { to = room:room ack = delivered }
    event "back" { to = sender meta = off as = "echo" }
}
`;
export const echo = echoRules('/') + echoRules('/echo');
