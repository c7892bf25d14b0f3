# What the gateway's commands say.

error = Error: { $error }
init-done =
    The organisation is made.
      Configuration       { $config }
      Root key            { $offline }
      Root fingerprint    { $fingerprint }
    Move the folder with the root key to another medium now and remove it from this machine. The gateway never needs it.
    Next:  hitotsu-gateway --config { $config } serve
serve-ready = Listening on { $listen } (policy { $bundle }). Press Ctrl-C to stop.
check-config = Configuration
check-credentials = Server certificate and key
check-policy = Policy
check-secret = Secret file
check-root = Root key
check-open = others can read { $path }; run `chmod 600` on it
check-root-here = { $path } is still on this machine; move it to another medium and remove it here
session-none = No device is connected.
session-killed = Session { $session } ended ({ $flows } flows cut).
policy-reloaded = Policy { $bundle } is in effect (before: { $before }).
policy-good = Policy { $bundle } is good (all { $tests } tests passed).
policy-tests-failed = { $failed } of the { $tests } tests of policy { $bundle } failed.
explain-not-connected = This device is not connected now, so its state counts as unknown.
explain-allowed = Allowed
explain-denied = Refused

enrol-code-made =
    Enrolment code:  { $code }
    Valid until { $until }, for one machine. On that machine run:
      hitotsu enrol { $code }
device-none = No device is enrolled.
device-revoked = Device { $device } is revoked and cut off.
awaits-database = the database
awaits-audit-log = the audit log
revoked-owed = Note: this is not yet written to { $awaits }. It is in effect already and stays so if the gateway restarts; the gateway tries to write it until it succeeds.
revoked-owed-in-memory = Note: this is written neither to { $awaits } nor to the copy on disk. It is in effect already, but do not restart the gateway until it is written; see whether the disk is full.
device-state-good = good
device-state-revoked = revoked ({ $reason })
certificate-good = Certificate { $serial } until { $until }
certificate-revoked = Certificate { $serial } revoked
audit-good = The audit log is whole ({ $records } records).
audit-bad = The audit log is damaged.
audit-none = The audit log is empty.

ca-init =
    The authorities are made.
      Issuing authorities  { $folder }
      Root key             { $offline }
    Move the folder with the root key to another medium now and remove it from this machine.
ca-issued = Certificate { $serial } until { $until } is in { $out }. Keep its key.pem and p12.passphrase secret.
ca-none = No certificate is on record.
ca-ended = ended
ca-revoked = Certificate { $serial } is revoked and its tunnel cut off.
ca-crl = Revocation list { $number } with { $count } entries is in { $out }.
ca-rotated = The authority for { $kind } has a new key ({ $serial }, until { $until }). Start the gateway again, and take the root key off this machine.

gateway-not-running = the gateway does not run (nothing answers at `{ $path }`); start it with `hitotsu-gateway serve`
gateway-no-answer = the gateway did not answer: { $detail }; see its log
store-unavailable = the database does not answer: { $detail }; see whether another program holds it or its disk is full
store-lost = the database `{ $path }` is gone; restore it, or remove the copy beside it to begin with an empty one
store-content = the database holds `{ $value }` as { $what }, which this version cannot read; was it written by a newer one?
no-such-device = there is no device `{ $id }`; see `{ $list }`
no-such-certificate = there is no certificate `{ $id }`; see `{ $list }`
no-such-session = there is no session `{ $id }`; it may have ended already
not-a-session-id = `{ $id }` is not a session id; see `hitotsu-gateway session list`
not-a-device-id = `{ $id }` is not a device id; see `hitotsu-gateway device list`
not-a-serial = `{ $id }` is not a serial number; see `hitotsu-gateway ca list`
not-recorded = the change was not made, because it could not be recorded: { $detail }
not-recorded-full = the change was not made, because it could not be recorded: the disk of the audit log is full; free space on it or move the log (`audit.dir`)
issuer-failed = { $detail }
reason-length = give a reason of 1 to { $max } bytes with `--reason`
code-desk-has-no-person = a shared desk is bound to no person; leave out `--person`
code-needs-a-person = say whose device it will be with `--person`, or use `--ownership shared-desk`
code-life = a code may be valid for one second to seven days; choose `--valid` within that
code-no-secret = { $detail }
code-no-address = { $detail }; check `name` and `listen` of the configuration
explain-no-system = no system of the bundle is reached by `{ $target }`
folder-not-empty = `{ $folder }` is not empty; choose another folder
init-no-org = no organisation can be made from `{ $name }` ({ $detail }); give one with `--org`
ca-device-enrols = a device gets its certificate by enrolling; make a code with `hitotsu-gateway enrol-code`
ca-staff-needs-a-person = say whose certificate it will be with `--person`
ca-only-gateways-have-hosts = only a gateway has hosts; leave out `--host`
ca-stop-first = an authority is rotated while the gateway stands still; stop it first
ca-other-holder = the certificate's holder is another one
ca-request-not-base64 = the certificate request is not Base64
ca-relays-only = only relays get their certificate this way
ca-kinds = use `devices`, `gateways` or `staff`
code-unknown-person = the policy in effect does not know `{ $person }`; add them to `{ $file }` and run `hitotsu-gateway policy reload`, or add `--unlisted` to make the code all the same

plain = { $text }
line-after-line =
    { $before }
    { $next }
file-unreadable = { $path } cannot be read ({ $error })
file-not-written = { $path } cannot be written ({ $error })
config-wrong = { $file }: { $key }: { $what }; { $remedy }
config-name-it = name the file with `--config`, or make an organisation with `hitotsu-gateway init`
config-full-path = name it by a full path
config-syntax = { $detail }
config-see-comments = see the comments of the file that `init` made
config-missing = is missing or empty
config-add = add `{ $key } = "{ $example }"`
config-not-so = `{ $text }`: { $error }
config-write = write it as `{ $key } = "{ $example }"`
config-socket-long = `{ $path }` is longer than { $max } bytes
config-shorter = choose a shorter path, for example below `/run/hitotsu`
bundle-unreadable = { $path } of the policy bundle cannot be read ({ $error })
bundle-file-too-large = policy bundle file `{ $path }` is larger than { $max } bytes; split it
bundle-too-many-files = policy bundle `{ $path }` has more than { $max } files; is it the right folder?
bundle-not-text = policy bundle file `{ $path }` is not UTF-8 text; save it as UTF-8
audit-full = the disk of the audit log is full; free space on it or move the log (`audit.dir`)
audit-failed = the audit log failed ({ $why }); mend the disk, run `hitotsu-gateway audit verify`, then restart the gateway
audit-unfit = the audit record is unfit: { $why }
audit-file = { $path } of the audit log cannot be read or written ({ $error })
audit-in-use = another process writes the audit log in { $path }; stop it first
damage-at = { $file }, byte { $offset }, record { $position }: { $what }
damage-cut-short = is cut short
damage-not-a-segment = is not a segment of this version
damage-not-a-record = no record begins here
damage-hash = does not fit the hash chain: it was changed, or the record before it was
damage-misplaced = record { $number } stands here instead
damage-gap = begins with record { $first } and another hash than the segment before ends with; a segment is missing, was cut or was put in its place
damage-end = the log ends at record { $next }, but { $noted } records had been on the disk
damage-replaced = is another record than the one that had been on the disk
damage-unknown = is no record that this version knows: { $error }
credential-unreadable = { $path } cannot be read ({ $error }); run `hitotsu-gateway check`
credential-content = { $path } cannot be used: { $why }
credential-tls = TLS cannot be set up ({ $why }); run `hitotsu-gateway check`
authority-file = { $path } cannot be read or written ({ $error }); see `[authorities]` in the configuration
authority-no-certificate = { $path } holds no certificate in PEM
authority-names = { $why }; check the names of hosts and organisation
authority-failed = no key or certificate could be made ({ $why })
serve-no-policy =
    { $why }
    The gateway does not start without a policy; mend the bundle, then run `hitotsu-gateway policy check`.
serve-port = cannot listen on { $address } ({ $error }); choose another, or stop the program that uses it
serve-resolver = the resolver could not be made ({ $why }); set `dns.servers` in the configuration
serve-watch-ended = the watch over live flows ended by itself; see the log, and restart the gateway
serve-worker-ended = a thread that carries connections ended by itself; see the log, and restart the gateway

reach-and = { ", " }
reach-or = { "  " }or{ "  " }
reach-who = { $can } of { $of } can open { $resource }.
reach-what = { $who } can open { $can } of { $of } systems.
reach-looked-at = Looked at policy { $bundle }: every day and minute of the year from { $from }, every place and every state of the device. Nothing is sampled.
reach-those-can = Can ({ $count })
reach-those-cannot = Cannot, whatever they do ({ $count })
reach-never = Never open
reach-more = There are more circumstances; only some are shown.
reach-and-more = { $names } and { $count } more (`--json` or `--html` names them all)
reach-where = Place
reach-days = Days
reach-time = Time
reach-approval = Approval
reach-approved = while approved
reach-not-approved = without one
reach-agent = Agent
reach-with-agent = with
reach-agentless = without (relay)
reach-device = Device
reach-issued = issued
reach-shared-desk = shared desk
reach-byod = own
reach-level = Level
reach-state = State of the device
reach-when = When
reach-always = at any time, from anywhere
reach-place-unknown = no place that is known
reach-place-was = { $place } (now { $before })
reach-every-day = every day
reach-on-holidays = { $days }, holidays only
reach-not-on-holidays = { $days }, no holidays
reach-same = Policies { $before } and { $after } answer every question alike, for everybody asked about.
reach-changes = Policy { $after } instead of { $before } changes this:
reach-lose = { $resource }: { $count } lose it at these times
reach-lose-all = { $resource }: { $count } lose it altogether
reach-gain = { $resource }: { $count } gain it at these times
reach-gain-and-lose = { $resource }: for { $count } it opens at other times
reach-gained = + opens
reach-lost = - does not open any more
reach-evidence-age = Evidence is valid for { $after } seconds, was { $before }.
reach-population = the list of devices in { $path } cannot be read ({ $why }); use what `hitotsu-gateway device list --json` writes
reach-uncountable = there is no exact answer: rules calculate with a claim ({ $rules }); compare it with a constant, as in `context.claim <= 30`
reach-too-many-cases = there is no exact answer: a condition of the rule at { $file }:{ $line } has too many cases; take the rule apart
reach-too-large = there is no exact answer: the rules have too many combinations; name groups and tiers instead of single people and systems
reach-offsets = times cannot be compared: { $why }
reach-no-resource = the policy has no system `{ $id }`; it has { $known }
reach-no-person = the policy does not know `{ $id }`; see `people.toml`
weekday-1 = Mon
weekday-2 = Tue
weekday-3 = Wed
weekday-4 = Thu
weekday-5 = Fri
weekday-6 = Sat
weekday-7 = Sun
replay-title = Recorded flows under the draft { $after } (now { $before })
replay-flows = Looked at { $flows } flows since { $since }; { $same } stay as they are. The log does not hold the state of devices, so every state was looked at.
replay-losers = { $count } lose something for certain.
replay-unknown = Of { $count } more the log does not tell who asked: their sessions began before it.
replay-lose = { $resource }: { $count } lose it
replay-depends = { $resource }: { $count } lose it with devices in some states
replay-gained = { $count } gain what does not open now ({ $flows } flows)
replay-who = Who
replay-count = Flows
replay-times = When
replay-why = What they read
replay-rules = Deciding rules
replay-quarter-0 = { $day } night ({ $flows })
replay-quarter-1 = { $day } morning ({ $flows })
replay-quarter-2 = { $day } afternoon ({ $flows })
replay-quarter-3 = { $day } evening ({ $flows })

evidence-title = Of the { $of } items of the guidelines for municipalities that a policy can show, { $met } are met.
evidence-reader = This is what the configuration does. Whether it complies with laws and guidelines is for those in charge of personal information and security to say.
evidence-met = ○ { $control }
evidence-open = × { $control }
evidence-nothing = - { $control } (there is no such system)
evidence-proof = None of the { $systems } systems that this is about opens against it, under any circumstances.
evidence-system = System
evidence-log = Records of access are as they were written (safety measures for specific personal information)
evidence-log-good = The { $records } records of the audit log are as they were written (last hash { $hash }).
evidence-log-bad = Among the { $records } records of the audit log some are not as they were written (last hash { $hash }).
evidence-built-in = What holds whatever the policy says, because the program knows no other way
evidence-missing = What this version does nothing for (other means are needed)
control-tier1-in-the-rooms = My Number systems open in the city's own places only (three-tier separation)
control-tier1-not-on-own-machines = My Number systems do not open on people's own machines (three-tier separation)
control-tier1-with-the-agent = My Number systems do not open without our agent (three-tier separation)
control-state-shown = A PC that has shown no state opens nothing (quarantine of clients)
control-firewall = My Number and LGWAN systems open only with a firewall that is known to be on
control-disk = My Number and LGWAN systems open only with a disk that is known to be encrypted
control-updates = My Number and LGWAN systems open only with updates of known age (telework security guideline, vulnerabilities)
control-screen-lock = My Number and LGWAN systems open only with a screen lock that is known to be on
control-antivirus = My Number and LGWAN systems open only with an antivirus program that is known to run (requirements for LGWAN telework)
control-forbidden-software = My Number and LGWAN systems open only where it is known that no forbidden program runs
built-in-device-key = A device is known by the key and certificate that it enrolled with; no password alone lets in.
built-in-place = A place is the network from which the gateway sees the connection come, not what somebody says.
built-in-no-mac-address = MAC addresses authenticate nothing; they are not collected.
built-in-reevaluated = When the state of a device, the time, the place or a revocation changes, open flows are judged again and cut.
built-in-no-personal-number = No record has a field for a personal number, a part or a hash of it; people have pseudonyms.
missing-second-factor = A second factor of the person: one-time passwords, passkeys
missing-content = What leaves otherwise than as a picture: clipboard, printing and saving; looking into traffic
missing-watermark = Watermarks on screens and documents
missing-working-hours = Reports of beginning, pausing, resuming and ending work; asking for an approval on a screen (approvals themselves stand in approvals.toml)
missing-leak-clock = Deadlines of reports of leaks
missing-disaster = A mode for disasters

explain-code-rules = Rules that refuse with it: { $count }
explain-code-refusals = Latest records: { $count }
policy-idle-unknown = rules that change nothing were not looked for: { $why }
