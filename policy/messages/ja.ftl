# 「policy explain」のことば。

explain-allowed = { $resource } を開けます。
explain-denied = { $resource } は開けません。
explain-stranger = この人向けの許可がないため、このシステムがあるかどうかは本人に知らせません。
explain-expires = 時間の経過だけで結果が変わりうる時刻: { $at }
explain-permit = 許可した規則: { $rule }（{ $file } { $line }行目）
explain-permit-not = 条件がそろえば許可する規則: { $rule }（{ $file } { $line }行目）
explain-forbid = 禁止した規則: { $rule }（{ $file } { $line }行目）
explain-forbid-not = 禁止しなかった規則: { $rule }（{ $file } { $line }行目）
explain-failed = 評価できなかった規則: { $rule }（{ $file } { $line }行目）。関係するものはすべて拒否します
explain-met = 満たしている: { $expected }（実際: { $found }）
explain-unmet = 満たしていない: { $expected }（実際: { $found }）
explain-bundle = ポリシーの版 { $bundle }
