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
