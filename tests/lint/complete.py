#!/usr/bin/env python3
"""The manual is complete: what the code names is in the list of the page where
it belongs, and what such a list names is in the code.

In a page, a list is marked by the line before it:

	.\\" every signal
	.Bl -tag -width "TERM, INT"

and the words behind .It, up to a blank, are its names.  Tables that are
printed by man/mdoc_tables, and directives, are compared by tables.sh.

usage: complete.py [TOP]	or, to see what is found: complete.py TOP KIND
"""
import functools
import os
import re
import sys

top = sys.argv[1] if len(sys.argv) > 1 else '.'
errors = []


def say(text):
    errors.append(text)


# --- code ---------------------------------------------------------------------

STRING = r'"((?:[^"\\]|\\.)*)"'


@functools.cache
def read(path):
    with open(os.path.join(top, path)) as f:
        text = f.read()
    if not path.endswith('.c'):
        return text
    return re.sub(r'/\*.*?\*/|(' + STRING + r"|'(?:[^'\\]|\\.)')",
                  lambda m: m.group(1) or ' ', text, flags=re.S)


@functools.cache
def sources(*folders):
    return list(found(folders))


def found(folders):
    for folder in folders:
        if folder.endswith('.c'):
            yield folder
            continue
        for at, _, files in os.walk(os.path.join(top, folder)):
            for name in sorted(files):
                if name.endswith('.c'):
                    yield os.path.relpath(os.path.join(at, name), top)


def arguments(text, i):
    """Those of the call whose parenthesis ends before i."""
    out, depth, begin = [], 0, i
    while i < len(text):
        c = text[i]
        if c == '"' or c == "'":
            i += 1
            while text[i] != c:
                i += 2 if text[i] == '\\' else 1
        elif c in '([{':
            depth += 1
        elif c in ')]}':
            if depth == 0:
                return out + [text[begin:i]]
            depth -= 1
        elif c == ',' and depth == 0:
            out.append(text[begin:i])
            begin = i + 1
        i += 1
    return out


def literals(text):
    """Each string that an expression may be, its parts put together."""
    text = re.sub(r'\bPRI\w+', '""', text)
    out, whole = [], None
    for string, other in re.findall(STRING + r'|([^"\s])', text):
        if other:
            if whole is not None:
                out.append(whole)
            whole = None
        else:
            whole = (whole or '') + string
    return out + ([whole] if whole is not None else [])


def calls(path, names):
    text = read(path)
    for m in re.finditer(r'\b(' + names + r')\(', text):
        yield m.group(1), arguments(text, m.end())


LEVELS = {'log_err': 'error', 'log_errx': 'error', 'fatal': 'error',
          'fatalx': 'error', 'log_warn': 'warn', 'log_warnx': 'warn',
          'log_info': 'info', 'log_debug': 'debug'}


def code_events():
    """Log lines: "event level".  What log.c says of itself is a warning."""
    out = {'log warn'}
    for path in sources('src', 'shm', 'workers'):
        if path.startswith(('src/sys/log', 'src/tools/')):
            continue
        for name, args in calls(path, '|'.join(LEVELS)):
            form = args[1 if name == 'fatalx' else 0]
            if not literals(form):
                say(f'{path}: a log line that is not understood: {form}')
            for line in literals(form):
                out.add(line.split(' ')[0] + ' ' + LEVELS[name])
        # put together by parts, and logged by log_record()
        if 'log_record(' in read(path):
            for m in re.finditer(r'_add\(&\w+, "([a-z_]+) ', read(path)):
                out.add(m.group(1) + ' info')
    return out


def code_whats():
    """What of a client is refused, in the line of the log."""
    out = set()
    for path in sources('src', 'workers'):
        for _, args in calls(path, 'log_info'):
            for line in literals(args[0]):
                what = re.match(r'refused what=(\S+)', line)
                if what and what.group(1) != '%s':
                    out.add(what.group(1))
                elif what:
                    out |= set(literals(args[1]))
    return out


def code_record():
    """Keys of the record of a connection, which is put together by parts."""
    out = set()
    for _, args in calls('workers/worker/net/record.c', 'record_add'):
        for part in (p for a in args[1:] for p in literals(a)):
            out |= set(re.findall(r'(?:^| )(\w+)=', part.replace('conn_', '')))
    return out


def code_signals():
    text = read('src/master/master.c')
    return set(re.findall(r'case SIG([A-Z0-9]+):', text)) - {'CHLD'}


def code_options(path):
    def options():
        letters = [literals(args[2])[0] for _, args in calls(path, 'getopt')]
        own = [text for text in letters if 'V' in text]
        return {'-' + c for text in own for c in text if c.isalnum()}
    return options


def code_commands():
    """roostctl's, with the letters of their options."""
    text = read('src/tools/roostctl/roostctl.c')
    table = text[text.index('roostctl_commands[] = {'):]
    out = set()
    for m in re.finditer(r'\{ ("[a-z-]+"), ((?:"[^"]*"\s*)+),',
                         table[:table.index('};')]):
        letters = re.findall(r'(?:\[|\|) ?-(-?\w+)', ''.join(literals(m.group(2))))
        out.add(' '.join([literals(m.group(1))[0]] + sorted(letters)))
    return out


EX = {'USAGE': 64, 'DATAERR': 65, 'NOINPUT': 66, 'NOUSER': 67, 'NOHOST': 68,
      'UNAVAILABLE': 69, 'SOFTWARE': 70, 'OSERR': 71, 'OSFILE': 72,
      'CANTCREAT': 73, 'IOERR': 74, 'TEMPFAIL': 75, 'PROTOCOL': 76,
      'NOPERM': 77, 'CONFIG': 78}


def code_exits(*folders):
    def exits():
        out = set()
        for path in sources(*folders):
            if '/tools/' in path and not folders[0].startswith('src/tools'):
                continue
            out |= set(re.findall(r'\bEX_([A-Z]+)\b', read(path)))
        return {str(EX[name]) for name in out - {'OK'}}
    return exits


def code_environment(folders, also=()):
    """Names that are asked for, in whichever way; PATH is everybody's."""
    def environment():
        out = set(also)
        for path in sources(*folders):
            if '/tools/' in path and 'src/tools' not in folders[0]:
                continue
            text = read(path)
            out |= set(re.findall(r'\bgetenv\("(\w+)"\)', text))
            out |= set(re.findall(r'_(?:variable|secret)\([^()]*?"([A-Z_]+)"',
                                  text))
            out |= set(re.findall(r'#define ENVIRONMENT\s+"(\w+)"', text))
        return out - {'PATH'}
    return environment


# What is behind a name: /api/v1/users/USER, hooks/NAME.
USERS, HOOKS = r'DISCONNECT|ROOMS_ORDER', r'HOOKS\w*'


def orders(text, routes):
    return re.findall(r'\{ SLICE\("(/[\w/]+)"\),\s+(ROUTE_(?:' + routes + r'))\b',
                      text)


INBOX = ['read', 'delete', 'preferences', 'ID']


def code_paths():
    text = read('workers/worker/http/route.c')
    out = set(re.findall(r'\{ "(/[^"]*)",\s+ROUTE_', text)) - {'/demo'}
    for m in re.finditer(r'SLICE\("(/api/v1/[^"]*)/"\)', text):
        if m.group(1) == '/api/v1/users':
            out.add('/api/v1/users/USER')
            for order, _ in orders(text, USERS):
                out.add('/api/v1/users/USER' + order)
        elif m.group(1) == '/api/v1/hooks':
            for order, _ in orders(text, HOOKS):
                out.add('/api/v1/hooks/NAME' + order)
        elif m.group(1) == '/api/v1/history':
            out.add(m.group(1) + '/NS/ROOM')
        elif m.group(1) == '/api/v1/documents':
            out |= {m.group(1) + '/NS/DOC', m.group(1) + '/NS/DOC/KEY'}
        elif m.group(1) == '/api/v1/rooms':
            out |= {m.group(1) + '/NS', m.group(1) + '/NS/ROOM'}
        else:
            out |= {m.group(1) + '/NS', m.group(1) + '/NS/USER'}
        if m.group(1) == '/api/v1/inbox':
            out |= {m.group(1) + '/NS/USER/' + p for p in INBOX}
    for m in re.finditer(r'conf_path_under\(path, SLICE\("([^"]*)"\)', text):
        out.add(m.group(1) + '/NAMESPACE')
    out |= set(re.findall(r'"path",\s+socketio_path,\s+\w+,\s+"([^"]*)"',
                          read('src/conf/directives.def')))
    return out


# What browsers and clients use is no business of back ends.
CLIENTS = {'ROUTE_NONE', 'ROUTE_ROOT', 'ROUTE_ENGINE', 'ROUTE_PLAIN', 'ROUTE_SSE', 'ROUTE_POLL', 'ROUTE_SOCKJS',
           'ROUTE_DEMO', 'ROUTE_DEMO_MOVED',
           'ROUTE_DOCUMENTS_GONE'}      # no path's
PARTS = {'NS': '{namespace}', 'ROOM': '{room}', 'USER': '{user}',
         'NAME': '{hook}', 'ID': '{notification}',
         'DOC': '{document}', 'KEY': '{key}'}


def code_operations():
    """Methods and paths of worker.c's table, but for those of clients."""
    rows = dict(re.findall(r'\[(ROUTE_\w+)\] = \{\s*\.methods = ([^,]*),',
                           read('workers/worker/worker.c')))
    text = read('workers/worker/http/route.c')
    at = [(p, r) for p, r in re.findall(r'\{ "(/[^"]*)",\s+(ROUTE_\w+)', text)]
    at += [('/api/v1/users/USER' + p, r) for p, r in orders(text, USERS)]
    at += [('/api/v1/hooks/NAME' + p, r) for p, r in orders(text, HOOKS)]
    below = {'ROUTE_PRESENCE': ['presence/NS', 'presence/NS/USER'],
             'ROUTE_HISTORY': ['history/NS/ROOM'],
             'ROUTE_ROOMS': ['rooms/NS', 'rooms/NS/ROOM'],
             'ROUTE_USER': ['users/USER'],
             'ROUTE_INBOX': ['inbox/NS'],
             'ROUTE_INBOX_USER': ['inbox/NS/USER'],
             'ROUTE_INBOX_ORDER': ['inbox/NS/USER/read',
                                   'inbox/NS/USER/delete'],
             'ROUTE_INBOX_PREFS': ['inbox/NS/USER/preferences'],
             'ROUTE_INBOX_ONE': ['inbox/NS/USER/ID'],
             'ROUTE_DOCUMENTS': ['documents/NS/DOC'],
             'ROUTE_DOCUMENTS_KEY': ['documents/NS/DOC/KEY']}
    at += [('/api/v1/' + p, r) for r in rows for p in below.get(r, [])]
    routed = {r for _, r in at}
    for route in sorted(set(rows) - routed - CLIENTS):
        say(f'complete.py: which paths has {route}?')
    out = set()
    for path, route in at:
        if route in CLIENTS:
            continue
        path = '/'.join(PARTS.get(p, p) for p in path.split('/'))
        for method in re.findall(r'\b(?:HTTP_)?(GET|POST|PUT|DELETE)\b', rows.get(route, '')):
            out.add(f'{method} {path}')
    return out


OPENAPI = 'packaging/openapi/roostd.yaml'


def openapi_operations(page, kind):
    out, path = set(), None
    for line in read(OPENAPI).split('\n'):
        m = re.match(r'  (/\S*):$', line)
        path = m.group(1) if m else path
        m = re.match(r'    (get|post|put|delete|patch):$', line)
        if m and path:
            out.add(f'{m.group(1).upper()} {path}')
        if line == 'components:':
            path = None
    return out


def openapi_codes(page, kind):
    text = read(OPENAPI)
    return set(re.findall(r'\w+', re.search(
        r'\n    Error:.*?enum: \[(.*?)\]', text, re.S).group(1)))


# These are told at the handshake of a WebSocket or an event stream.
CLIENT_CODES = {'origin', 'rollout'}


def code_openapi_codes():
    return code_http() - CLIENT_CODES


REFUSES = {'error_encode': 1, 'reply_error': 2, 'reply_too_many': 1,
           'reply_not_now': 2, 'api_order_bad': 1, 'api_refuse': 2,
           'body_refuse': 2, 'change_refuse': 3}
WORD = re.compile(r'[a-z_]+$')


def code_http():
    """Codes of the error objects of HTTP."""
    out = set()
    for path in sources('src/proto', 'workers'):
        text = read(path)
        for name, args in calls(path, '|'.join(REFUSES)):
            if len(args) > REFUSES[name]:
                out |= set(literals(args[REFUSES[name]]))
        if '/worker/' in path:      # whole answers, as text
            out |= set(re.findall(r'\\"code\\":\\"(\w+)\\"',
                                  ''.join(literals(text))))
        for m in re.finditer(r'\*code\s*=\s*([^;]*);', text):
            out |= set(literals(m.group(1)))
        if '/backend/' in path:     # kept_code()
            for m in re.finditer(r'\w+_code\([^)]*\)\n\{(.*?)\n\}', text, re.S):
                out |= set(literals(m.group(1)))
        if path.endswith('session/admit.c'):
            for _, args in calls(path, 'admit_refuse'):
                out |= set(literals(args[2]))
    return {code for code in out if WORD.match(code)}


def code_refused():
    text = read('workers/hub/session/refuse.c')
    return set(re.findall(r'\[REFUSED_\w+\]\s*=\s*\{\s*"(\w+)"', text))


def code_connects():
    """Codes of a Socket.IO client's connect_error."""
    path = 'workers/hub/dialect/socketio_connect.c'
    text = read(path)
    out = set(re.findall(r'(?:rate_limited|rollout)\[\] = "(\w+)"', text))
    for _, args in calls(path, 'socketio_connect_error'):
        out |= set(literals(args[4]))
    out |= set(re.findall(r'\bcode = "(\w+)"', text))
    out |= set(re.findall(r'\*code = "(\w+)"',
                          read('workers/hub/session/admit.c')))
    return out


def code_engine():
    text = read('src/proto/eio.c')
    table = re.search(r'errors\[\] = \{(.*?)\n\};', text, re.S).group(1)
    return {str(i) for i in range(len(re.findall(r'\[EIO_\w+\]', table)))}


def code_services():
    text = read('workers/hub/service/service.c')
    return set(re.findall(r'\{ SLICE\("([a-z]+:[a-z_]+)"\)', text))


def code_told():
    """Events that the server sends by itself."""
    out = set()
    for path in sources('workers/hub', 'workers/gaps', 'workers/relay/local',
                        'workers/relay/box'):
        out |= set(re.findall(r'"\\"([a-z]+:[a-z_]+)\\""', read(path)))
    for path in sources('workers/worker/sse'):
        out |= set(re.findall(r'"event: ([a-z]+:[a-z]+)\\n', read(path)))
    return out


def code_columns():
    out = set()
    for path in ('list.c', 'list_relay.c', 'page.c'):
        text = read('src/tools/rooststat/' + path)
        for m in re.finditer(r'\{ "([^"]+)", [^{}]*\d, \d+, (?:true|false), ',
                             text):
            out.add(m.group(1).strip())
    return out


def code_keys():
    text = read('src/tools/rooststat/keys.c')
    text = text[text.index('keys_command('):text.index('keys_press(')]
    names = {' ': 'space', '\\t': 'Tab'}
    out = {names.get(c, c) for c in re.findall(r"case '(\\?.)'", text)}
    special = {'UP': 'arrows', 'DOWN': 'arrows', 'NEXT': 'arrows',
               'PAGE_UP': 'PgUp', 'PAGE_DOWN': 'PgDn', 'HOME': 'Home',
               'END': 'End', 'ESCAPE': 'Escape'}
    for name in re.findall(r'case KEYS_([A-Z_]+):', text):
        out.add(special[name])
    if "c == '\\f'" in read('src/tools/rooststat/screen.c'):
        out.add('Ctrl-L')
    return out


# --- pages --------------------------------------------------------------------

MACROS = {'Li', 'Ic', 'Fl', 'Ev', 'Dv', 'Pa', 'Cm', 'Sy', 'No', 'Ns', 'Em',
          'Oo', 'Oc', 'Op', 'Ar', 'Brq', 'Bro', 'Brc', 'Pq', 'Xo', 'Xc'}


def items(page, kind):
    """The lines behind .It of each list of this kind, nested ones left out."""
    out, depth, due, found = [], 0, False, False
    with open(os.path.join(top, 'man', page)) as f:
        lines = f.read().split('\n')
    for line in lines:
        if line == '.\\" every ' + kind:
            due = found = True
        elif line.startswith('.Bl') and (due or depth):
            depth, due = depth + 1, False
        elif line.startswith('.El') and depth:
            depth -= 1
        elif line.startswith('.It') and depth == 1:
            out.append(line[4:])
    if not found:
        say(f'{page}: no list of every {kind}')
    return out


def words(item):
    return [w.replace('\\&', '').replace('\\(dq', '"').strip('"') or w
            for w in re.findall(r'"[^"]*"|\S+', item)]


def names(item):
    """Those of an item: the first word of each part between commas."""
    out, first = [], True
    for w in words(item):
        if w == ',':
            first = True
        elif first and w in MACROS:
            continue
        elif first:
            out.append(w.rstrip(','))
            first = w.endswith(',') and len(w) > 1
    return out


def page_names(page, kind):
    return {n for item in items(page, kind) for n in names(item)}


def page_exits(page, kind):
    return page_names(page, kind) - {'0'}


def page_options(page, kind):
    out = set()
    for item in items(page, kind):
        out |= {'-' + c for c in re.findall(r'\bFl (\w)', item)[:1]}
    return out


def page_events(page, kind):
    out = set()
    for item in items(page, kind):
        name, levels = item.split(' Pq ')
        out |= {words(name)[1] + ' ' + level
                for level in words(levels) if level != ','}
    return out


def page_commands(page, kind):
    out = {}
    for item in items(page, kind):
        name = words(item)[1]
        out.setdefault(name, set()).update(re.findall(r'\bFl (-?\w+)', item))
    return {' '.join([n] + sorted(o)) for n, o in out.items()}


def page_paths(page, kind):
    out = set()
    for item in items(page, kind):
        out |= {re.sub(r'\?.*', '', w) for w in words(item)
                if w.startswith('/')}
    return out


# --- both ---------------------------------------------------------------------

DAEMON = ('src', 'shm', 'workers')
CTL, STAT = 'src/tools/roostctl', 'src/tools/rooststat'
KINDS = [
    ('event of the log', 'roost-log.7', code_events, page_events),
    ('kind of refusal', 'roostd.8', code_whats, page_names),
    ('key of a record', 'roostd.8', code_record, page_names),
    ('signal', 'roostd.8', code_signals, page_names),
    ('signal', 'roost.7', code_signals, page_names),
    ('option', 'roostd.8', code_options('src/main.c'), page_options),
    ('exit status', 'roostd.8', code_exits(*DAEMON), page_exits),
    ('variable', 'roostd.8', code_environment(DAEMON), page_names),
    ('option', 'roostctl.8', code_options(CTL + '/roostctl.c'),
     page_options),
    ('command', 'roostctl.8', code_commands, page_commands),
    ('exit status', 'roostctl.8', code_exits(CTL), page_exits),
    ('variable', 'roostctl.8', code_environment([CTL]), page_names),
    ('option', 'rooststat.1', code_options(STAT + '/rooststat.c'),
     page_options),
    ('exit status', 'rooststat.1', code_exits(STAT), page_exits),
    ('variable', 'rooststat.1', code_environment([STAT], {'LC_CTYPE'}),
     page_names),
    ('key', 'rooststat.1', code_keys, page_names),
    ('column', 'rooststat.1', code_columns, page_names),
    ('path', 'roost-protocol.7', code_paths, page_paths),
    ('event of a client', 'roost-protocol.7', code_services, page_names),
    ('event of the server', 'roost-protocol.7', code_told, page_names),
    ('refusal of an event', 'roost-protocol.7', code_refused, page_names),
    ('refusal of a namespace', 'roost-protocol.7', code_connects, page_names),
    ('refusal of HTTP', 'roost-protocol.7', code_http, page_names),
    ('refusal of Engine.IO', 'roost-protocol.7', code_engine, page_names),
    ('operation', 'roostd.yaml', code_operations, openapi_operations),
    ('code of an error', 'roostd.yaml', code_openapi_codes, openapi_codes),
]


def main():
    total = 0
    for kind, page, of_code, of_page in KINDS:
        if len(sys.argv) > 2 and sys.argv[2] != kind:
            continue
        code, listed = of_code(), of_page(page, kind)
        if len(sys.argv) > 2:
            print(page, sorted(code))
        total += len(code)
        if not code:
            say(f'{page}: the code has no {kind}')
        for name in sorted(code - listed):
            say(f'{page}: no {kind}: {name}')
        for name in sorted(listed - code):
            say(f'{page}: there is no such {kind}: {name}')
    for error in errors:
        print(error)
    print(f'complete: {total} names, {len(errors)} wrong')
    return 1 if errors else 0


sys.exit(main())
