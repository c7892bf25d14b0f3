# What `cargo xtask demo` says.

building = Building the three programs
act-start = An organisation of its own
systems-run = Four internal systems run: web, documents, SSH, and one with residents' data
organisation-made = Made an organisation: root and issuing certificates, database, sample policy
gateway-serves = The gateway serves on { $address }, UDP and TCP
code-made = Made a one-time code to enrol a PC
enrolled = This machine enrolled: its key never left it
agent-up = The agent runs, and the gateway believes its evidence

act-open = What is allowed opens
web-socks = A page of the web system came through SOCKS5
web-http = A page of the web system came through the HTTP proxy
web-download = 8 MiB came through, every line once and in order
files-list = The document library lists its folders (WebDAV)
files-put = A document was saved there, and read back the same
ssh = A command ran on the SSH system, whose host key is the right one

act-refuse = What is not allowed is refused, with a reason
refused-place = Residents' data is refused from home
refused-unknown = A system that does not exist is refused in the same way as one that is not permitted
why-told = The agent tells the person why

act-cut = The state of the PC goes bad in the middle of a transfer
stream-runs = An endless transfer runs
forbidden-starts = Started a program that policy forbids: { $name }
stream-cut = The transfer was cut
cut-after = From the cause to the cut: { $seconds } s
forbidden-stops = Stopped it
access-back = Access is back
back-after = From the end of the cause to access: { $seconds } s

act-second = A second PC with a real firewall
second-needs-root = Left out: a network namespace needs root.
second-enrolled = The second PC enrolled, its firewall on
firewall-off = Switched its firewall off
firewall-on = Switched its firewall on again

act-revoke = The PC is lost: its certificate is revoked
device-revoked = Revoked the device
revoked-told = The tunnel is dead, and the agent tells why
nothing-opens = Nothing opens any more

act-proof = The proof
audit-verified = The audit log is whole: every record follows from the one before
audit-records = Records: { $records }

enrolled-again = Enrolled this machine again, so that you can go on
try-heading = To try in another terminal
try-web = The web system:
try-browser = Or a browser with this proxy configuration:
try-files = The document library:
try-ssh = SSH:
try-commands = The programs' own commands:
logs-in = Logs: { $folder }
press-enter = Enter tells the story. Ctrl-C ends everything.
press-ctrl-c = Everything runs until Ctrl-C.
ended = Ended. Nothing is left behind.
