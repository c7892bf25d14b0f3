# The agent's sentences. Plain words; no jargon.

### Posture: what was found about this computer, and how to mend it

posture-os-name = Operating system
posture-os-version = Its version
posture-kernel-version = Kernel
posture-security-update-age-days = Security updates
posture-security-update-age-days-value = { $number ->
        [0] Up to date as of today.
        [one] Up to date as of yesterday.
       *[other] Known to be up to date { $number } days ago.
    }
posture-security-update-age-days-remedy = Look for updates and install them: `sudo apt update && sudo apt full-upgrade` or `sudo dnf upgrade`. Restart if asked to.
posture-disk-encrypted = Disk encryption
posture-disk-encrypted-yes = The system's disk is encrypted.
posture-disk-encrypted-no = The system's disk, or the disk with people's files, is not encrypted.
posture-disk-encrypted-remedy = Disk encryption (LUKS) is chosen when the system is installed. Ask your IT desk.
posture-firewall-on = Firewall
posture-firewall-on-yes = The firewall refuses connections that nobody asked for.
posture-firewall-on-no = Connections that nobody asked for are let in.
posture-firewall-on-remedy = Turn the firewall on, for example with `sudo ufw enable`, and remove rules that let everything in.
posture-screen-lock-on = Screen lock
posture-screen-lock-on-yes = The screen locks by itself.
posture-screen-lock-on-no = The screen does not lock by itself.
posture-screen-lock-on-remedy = Turn the automatic screen lock on in the settings, under Privacy or Power.
posture-screen-lock-seconds = Time until the screen locks
posture-screen-lock-seconds-value = { $number ->
        [one] 1 second.
       *[other] { $number } seconds.
    }
posture-screen-lock-seconds-remedy = Set a shorter time until the screen locks.
posture-antivirus-running = Antivirus
posture-antivirus-running-yes = An antivirus program is running.
posture-antivirus-running-no = No antivirus program is running.
posture-antivirus-running-remedy = Start the antivirus program, for example with `sudo systemctl enable --now clamav-daemon`.
posture-antivirus-signature-age-days = Antivirus signatures
posture-antivirus-signature-age-days-value = { $number ->
        [0] Made today.
        [one] 1 day old.
       *[other] { $number } days old.
    }
posture-antivirus-signature-age-days-remedy = Update the signatures, for example with `sudo freshclam`.
posture-secure-boot = Secure boot
posture-secure-boot-yes = Only signed boot code was started.
posture-secure-boot-no = Secure boot is off.
posture-secure-boot-remedy = Turn secure boot on in the firmware's settings. Ask your IT desk.
posture-tpm-present = Security chip (TPM)
posture-tpm-present-yes = A TPM 2.0 is there.
posture-tpm-present-no = No TPM 2.0 was found.
posture-tpm-present-remedy = Turn the TPM on in the firmware's settings, if this computer has one. Ask your IT desk.
posture-agent-intact = This agent
posture-agent-intact-yes = The agent is the one that was installed.
posture-agent-intact-no = The agent's program was changed or replaced since it was installed, or others may change it.
posture-agent-intact-remedy = Restart the agent if it was just updated. Otherwise install it again where only its owner may write.
posture-forbidden-software = Programs that are not allowed
posture-forbidden-software-none = None of them is running.
posture-forbidden-software-list = Running: { $list }.
posture-forbidden-software-remedy = Close them. It is checked again within seconds.
posture-clock-skew-seconds = Clock
posture-clock-skew-seconds-value = { $number ->
        [0] The clock is right.
       *[other] The clock differs from the gateway's by { $number } seconds.
    }
posture-clock-skew-seconds-remedy = Have the clock set automatically: `sudo timedatectl set-ntp true`.
posture-unknown = Not known: { $why }.
posture-unknown-detail = Not known: { $why } ({ $detail }).

why-not-on-this-platform = this version cannot find that out on this operating system
why-no-answer = the check has not answered
why-no-answer-remedy = Restart the agent. If that does not help, contact your IT desk.
why-crashed = the check failed by a fault of its own
why-crashed-remedy = Restart the agent. If that does not help, contact your IT desk.
why-not-said = the check gave no usable result
why-not-said-remedy = Restart the agent. If that does not help, contact your IT desk.
why-not-readable = it may not be read or is not there
why-not-on-disk = the system does not lie on a disk of its own, as in a container
why-device-not-visible = the device is not visible from here
why-ruleset-not-readable = the firewall's rules may not be read by this user
why-ruleset-not-readable-remedy = Run the agent as a system service, or manage the firewall with ufw or firewalld.
why-rule-not-understood = a firewall rule decides by something that this version cannot judge
why-rule-not-understood-remedy = Simplify the rules for incoming connections, or ask your IT desk.
why-no-firewall-tool = no program is installed that can list the firewall's rules
why-no-firewall-tool-remedy = Install a firewall, for example with `sudo apt install ufw && sudo ufw enable`.
why-no-graphical-session = nobody is signed in at a graphical screen
why-desktop-not-known = this version cannot read this desktop's settings
why-desktop-not-known-remedy = Set `IdleAction=lock` in /etc/systemd/logind.conf.
why-never-locks = the screen never locks by itself
why-never-locks-remedy = Turn the automatic screen lock on in the settings, under Privacy or Power.
why-no-antivirus = no antivirus program was found
why-no-antivirus-remedy = Install one, for example with `sudo apt install clamav-daemon`.
why-signatures-not-known = this antivirus program does not tell the age of its signatures
why-no-package-manager = no package manager that this version knows was found
why-no-security-source = no list of security updates has been fetched
why-no-security-source-remedy = Add the distribution's security archive to the package sources, and look for updates.
why-updates-wait = security updates wait, and it is not known since when
why-updates-wait-remedy = Install them: `sudo apt update && sudo apt full-upgrade` or `sudo dnf upgrade`. Restart if asked to.
why-updates-not-listed = the waiting updates could not be listed
why-no-recorded-hash = no fingerprint of the program was recorded when it was installed
why-no-recorded-hash-remedy = Enrol this computer again; that records it.
why-processes-hidden = the programs of other users are hidden from this user
why-processes-hidden-remedy = Run the agent as a system service.
why-no-gateway-time = the gateway has not told its time yet

### Commands

help-code = Number for the help desk: { $code }
not-running = The agent is not running. Start it with “hitotsu run”.

ago-seconds = { $count ->
    [one] { $count } second ago
   *[other] { $count } seconds ago
}
ago-minutes = { $count ->
    [one] { $count } minute ago
   *[other] { $count } minutes ago
}
ago-hours = { $count ->
    [one] { $count } hour ago
   *[other] { $count } hours ago
}
ago-days = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
}

enrolled = This computer is now enrolled with { $org }.
enrolled-device = Device: { $device }
enrolled-person = Assigned to: { $person }
enrolled-next = Start the agent with “hitotsu run”.

run-ready = The agent is running. Stop it with Ctrl-C.
run-socks5 = SOCKS5 proxy: { $address }
run-http = HTTP proxy: { $address } (automatic configuration: http://{ $address }/proxy.pac)
run-connected = Connected ({ $transport }).

status-connected = Connected to { $gateway } by { $transport } (connected { $ago }).
status-leaving = The gateway is about to stop. Another connection is being made; what is open goes on.
status-connecting = Not connected to { $gateway } yet.
status-refused = { $gateway } refuses this computer.
status-healthy = Safety check passed { $ago }, level { $level }.
status-findings = Safety check { $ago }, level { $level }. To be mended:
status-flows = Open connections: { $open } (since start: { $opened }); sent { $up }, received { $down }
status-recent = Refused or cut lately:
event-refused = { $target } was refused { $ago }.
event-cut = { $target } was cut { $ago }.

field-org = Organisation
field-device = Device
field-person = Assigned to
field-place = Place
field-socks5 = SOCKS5 proxy
field-http = HTTP proxy
field-forward = Forward

catalogue-old = There is no connection now. This is what was known last.
catalogue-empty = There is no system that you may use.

why-old = There is no connection now. This is what was known last.
why-allowed = { $target } can be opened.
why-refused = { $target } cannot be opened.
why-rules = Deciding rules: { $rules }

check-config = Configuration
check-identity = Certificate
check-owner = Telling whose connection it is
check-agent = Agent
check-connecting = connecting
check-gateway-name = Gateway's name
check-gateway-tcp = Gateway over TCP
check-gateway-h3 = Gateway over HTTP/3 (UDP)
check-gateway-h2 = Gateway over HTTP/2 (TCP)
check-skipped = not looked at, because of the above

page-heading = This page cannot be opened
page-help-code = Number for the help desk: { $code }

### Why a command could not be done

agent-answered-otherwise = The agent's answer is not of the right form; restart the agent.
already-running = Another agent already runs with this folder; stop it first.
control-not-yet = This command is not available on this system yet.
control-path-too-long = The path { $path } is too long; choose a shorter folder with `--state-dir`.
control-failed = The agent cannot be spoken to ({ $why }).
control-other-version = The running agent is of another version; restart it ({ $version }).
folder-not-usable = The folder { $folder } cannot be used ({ $why }).
log-not-written = The log cannot be written ({ $why }); see whether the disk is full.
log-not-read = The log cannot be read ({ $why }).

no-state-dir = The folder for the agent's state cannot be told ({ $why }); name it with `--state-dir`.
no-runtime = The program could not start ({ $why }); close other programs and try again.
file-not-usable = { $path } cannot be read or written ({ $why }).
loose-link = { $path } is a symbolic link; put the file itself there.
loose-owner = { $path } belongs to another user ({ $owner }); run: chown { $own } '{ $path }'
loose-open = { $path } is open to other users; run: chmod { $tight } '{ $path }'
loose-elsewhere = { $path } may be open to other users; keep it below your own profile.

enrol-code-too-long = This is longer than any enrolment code; copy only the code.
enrol-code-no-gateway = The enrolment code has no “@”; it ends in “@” and the gateway's address, such as `@gateway.example:443`.
enrol-code-bad-gateway = { $text } is not a gateway's address; write it as `gateway.example:443`.
enrol-code-symbol = “{ $symbol }” in group { $group } of the enrolment code stands in no code; look at that group again.
enrol-code-length = The enrolment code has { $found } characters before the “@” instead of { $expected }, dashes not counted; see whether some are missing.
enrol-code-checksum = There is a typing mistake in the enrolment code or in the gateway's address; compare them again.
enrol-code-root = The organisation's certificate cannot be read; tell your IT desk.

enrol-unreachable = { $gateway } cannot be reached ({ $why }); check the network and the code's ending.
enrol-wrong-gateway = The server is not the one that the code was made for ({ $why }).
enrol-answer = The gateway's answer cannot be used ({ $why }); tell your IT desk.
enrol-already = This computer is enrolled already; add `--again` to replace its identity.
enrol-key = This computer's key cannot be made or used ({ $why }); tell your IT desk.
identity-not-enrolled = This computer is not enrolled; run `hitotsu enrol` with your enrolment code.
identity-damaged = { $path } is damaged ({ $why }); enrol this computer again.
identity-unusable = This computer's identity cannot be used ({ $why }); enrol it again.

config-unreadable = The configuration { $path } cannot be read ({ $why }); check its owner and permissions.
config-too-long = The configuration { $path } is longer than { $max } bytes; shorten its lists.
config-form = Line { $line } of agent.toml is wrong ({ $what }); mend or remove it.
config-value = { $key } in agent.toml: { $what }
value-no-address = { $text } is not an address with a port; use one such as `127.0.0.1:1080`.
value-not-loopback = { $text } would let other machines use this computer's access; use an address of `127.0.0.0/8` or `[::1]`.
value-pattern = { $text } is not a host pattern; use a name (`files.example`), `*.example` or a range (`10.1.0.0/24`).
value-transport = { $text } is not a transport; use `tcp` or `udp`.
value-taken = { $text } is used by an earlier forward; choose another port.
value-route = { $text } is not a route; use `tunnel`, `direct` or `block`.
value-congestion = { $text } is no way to control congestion; use `steady`, `cubic` or `bbr`.
value-forwards = { $count } forwards are more than { $max }; remove some.
value-patterns = { $count } patterns are more than { $max }; use ranges or `*.name`.
target-host = { $text } is neither a host name nor an address.
target-port = { $text } needs a port from 1 to 65535, as in `files.example:443`.
front-taken = { $key } of the configuration: cannot listen on { $address } ({ $why }); stop the program that uses it or choose another port.

dial-unreachable = no connection ({ $why })
dial-untrusted = the server could not be proven to be the organisation's gateway ({ $why })
dial-not-accepted = the gateway does not accept this computer's certificate ({ $why }); enrol it again
dial-incompatible = the gateway is of another version ({ $why }); update the agent
found-good = good
found-addresses = { $count ->
    [one] { $count } address
   *[other] { $count } addresses
}
found-valid = valid from { $from } until { $until }
found-name = the name leads to no address ({ $why })
found-late = no answer in time
found-other-user = it looks like another user's connection
found-certificate = the certificate cannot be used ({ $why }); enrol this computer again
