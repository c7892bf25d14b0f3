# Words of `policy explain`.

explain-allowed = { $resource } may be opened.
explain-denied = { $resource } may not be opened.
explain-stranger = The person is not told whether this system exists: no permit is meant for them.
explain-expires = The answer can change by time alone at { $at }.
explain-permit = permitted by { $rule } ({ $file }:{ $line })
explain-permit-not = { $rule } ({ $file }:{ $line }) would permit it, but not now
explain-forbid = forbidden by { $rule } ({ $file }:{ $line })
explain-forbid-not = { $rule } ({ $file }:{ $line }) does not forbid it
explain-failed = { $rule } ({ $file }:{ $line }) could not be evaluated, so everything it touches is refused
explain-met = met: { $expected } (found: { $found })
explain-unmet = NOT met: { $expected } (found: { $found })
explain-bundle = Policy bundle { $bundle }
