# `cargo xtask demo` の文言。

building = 三つのプログラムを組み立てています
act-start = 見本の組織を作る
systems-run = 庁内システムを四つ起動しました（ウェブ、文書庫、SSH、住民情報）
organisation-made = 組織を作りました（ルート証明書と発行用証明書、データベース、見本のポリシー）
gateway-serves = ゲートウェイが { $address } で待ち受けています（UDP と TCP）
code-made = パソコンを登録するための、一度だけ使えるコードを作りました
enrolled = このパソコンを登録しました（鍵はパソコンの外に出ていません）
agent-up = エージェントが動き、安全確認が済みました

act-open = 許可されたものは開く
web-socks = ウェブシステムの画面が SOCKS5 経由で届きました
web-http = ウェブシステムの画面が HTTP プロキシ経由で届きました
web-download = 8 MiB が届き、すべての行が一度ずつ順番どおりでした
files-list = 文書庫のフォルダー一覧が見えました（WebDAV）
files-put = 文書を保存し、読み戻すと同じでした
ssh = SSH のシステムで命令が動きました（ホスト鍵も確認済み）

act-refuse = 許可されていないものは、理由を示して断る
refused-place = 住民情報は、自宅からは断られました
refused-unknown = 存在しないシステムは、許可のないシステムと同じように断られました
why-told = エージェントが、断られた理由を利用者に伝えました

act-cut = 通信の途中で、パソコンの状態が悪くなる
stream-runs = 終わりのない通信が流れています
forbidden-starts = 禁止されたソフトウェアを起動しました：{ $name }
stream-cut = 通信が切られました
cut-after = 原因から切断まで { $seconds } 秒
forbidden-stops = そのソフトウェアを止めました
access-back = また使えるようになりました
back-after = 原因がなくなってから { $seconds } 秒

act-second = 本物のファイアウォールを持つ、二台目のパソコン
second-needs-root = 省略：ネットワーク名前空間には root が必要です。
second-enrolled = 二台目のパソコンを登録しました（ファイアウォールは有効）
firewall-off = ファイアウォールを無効にしました
firewall-on = ファイアウォールをまた有効にしました

act-revoke = パソコンをなくしたので、証明書を取り消す
device-revoked = パソコンの利用を停止しました
revoked-told = トンネルは切れ、エージェントが理由を伝えました
nothing-opens = もう何も開きません

act-proof = 記録で確かめる
audit-verified = 監査記録に欠けはありません（どの記録も一つ前の記録につながっています）
audit-records = 記録の数：{ $records }

enrolled-again = 続けて試せるように、このパソコンをもう一度登録しました
try-heading = 別の端末で試せること
try-web = ウェブシステム：
try-browser = ブラウザーで使うときのプロキシ設定：
try-files = 文書庫：
try-ssh = SSH：
try-commands = プログラムに聞く：
logs-in = ログ：{ $folder }
press-enter = Enter を押すと話が始まります。Ctrl-C で全部終わります。
press-ctrl-c = Ctrl-C を押すまで、このまま動いています。
ended = 終わりました。何も残っていません。
