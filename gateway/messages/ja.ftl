# ゲートウェイのコマンドが表示する文。

error = エラー: { $error }
init-done =
    組織を作りました。
      設定ファイル      { $config }
      ルートの鍵        { $offline }
      ルートの指紋      { $fingerprint }
    ルートの鍵のフォルダは、今すぐ別の媒体に移し、この機械から消してください。ゲートウェイの運転には使いません。
    次に:  hitotsu-gateway --config { $config } serve
serve-ready = { $listen } で待ち受けています(ポリシー { $bundle })。止めるには Ctrl-C を押してください。
check-config = 設定ファイル
check-credentials = サーバー証明書と鍵
check-policy = ポリシー
check-secret = 秘密のファイル
check-root = ルートの鍵
check-open = { $path } をほかの利用者が読めます。`chmod 600` を実行してください
check-root-here = { $path } がまだこの機械にあります。別の媒体に移し、ここから消してください
session-none = 接続している端末はありません。
session-killed = 接続 { $session } を終了しました(通信 { $flows } 件を切断)。
policy-reloaded = ポリシー { $bundle } に切り替えました(前は { $before })。
policy-good = ポリシー { $bundle } に誤りはありません(テスト { $tests } 件すべて合格)。
policy-tests-failed = ポリシー { $bundle } のテスト { $tests } 件のうち { $failed } 件が不合格です。
explain-not-connected = この端末は今つながっていないため、状態は不明として答えます。
explain-allowed = 許可
explain-denied = 拒否

enrol-code-made =
    登録コード:  { $code }
    { $until } まで、1台だけに使えます。登録するパソコンで次を実行してください:
      hitotsu enrol { $code }
device-none = 登録された端末はありません。
device-revoked = 端末 { $device } の利用を停止し、接続を切断しました。
awaits-database = データベース
awaits-audit-log = 監査ログ
revoked-owed = 注意: { $awaits }にはまだ書き込めていません。利用の停止はすでに効いていて、ゲートウェイを再起動しても元に戻りません。書き込みは、できるまで自動でくり返します。
revoked-owed-in-memory = 注意: { $awaits }にも、ディスク上の控えにも、まだ書き込めていません。利用の停止はすでに効いていますが、書き込めるまでゲートウェイを再起動しないでください。ディスクの空きを確かめてください。
device-state-good = 有効
device-state-revoked = 停止({ $reason })
certificate-good = 証明書 { $serial } 有効期限 { $until }
certificate-revoked = 証明書 { $serial } 取消済み
audit-good = 監査ログに誤りはありません({ $records } 件)。
audit-bad = 監査ログに誤りがあります。
audit-none = 監査ログは空です。

ca-init =
    認証局を作りました。
      発行局        { $folder }
      ルートの鍵    { $offline }
    ルートの鍵のフォルダを、いますぐ別の媒体に移し、この機械から消してください。
ca-issued = 証明書 { $serial }(有効期限 { $until })を { $out } に書きました。key.pem と p12.passphrase は他人に見せないでください。
ca-none = 登録されている証明書はありません。
ca-ended = 期限切れ
ca-revoked = 証明書 { $serial } を取り消し、接続を切りました。
ca-crl = 失効リスト第 { $number } 号({ $count } 件)を { $out } に書きました。
ca-rotated = { $kind } の発行局の鍵を新しくしました({ $serial }、有効期限 { $until })。ゲートウェイを起動し直し、ルートの鍵をこの機械から移してください。

gateway-not-running = ゲートウェイが動いていません({ $path } に応答がありません)。`hitotsu-gateway serve` で起動してください。
gateway-no-answer = ゲートウェイから応答がありません({ $detail })。ゲートウェイのログを確かめてください。
store-unavailable = データベースが応答しません({ $detail })。ほかのプログラムが使っていないか、ディスクに空きがあるか確かめてください。
store-lost = データベース { $path } がありません。バックアップから戻してください。空のデータベースから始めるときは、隣の控え(.copy.json)を消してください。
store-content = データベースの中に、この版では読めない値 { $value }({ $what })があります。新しい版で書かれたものかもしれません。
no-such-device = 端末 { $id } は登録されていません。`{ $list }` で確かめてください。
no-such-certificate = 証明書 { $id } は登録されていません。`{ $list }` で確かめてください。
no-such-session = 接続 { $id } はありません。すでに終わっているかもしれません。
not-a-session-id = { $id } は接続の番号ではありません。`hitotsu-gateway session list` で確かめてください。
not-a-device-id = { $id } は端末の番号ではありません。`hitotsu-gateway device list` で確かめてください。
not-a-serial = { $id } は証明書の番号ではありません。`hitotsu-gateway ca list` で確かめてください。
not-recorded = 記録できないため、変更しませんでした({ $detail })。
not-recorded-full = 監査ログのディスクに空きがなく、記録できないため、変更しませんでした。空きを作るか、ログの場所(`audit.dir`)を変えてください。
issuer-failed = 証明書の発行ができませんでした({ $detail })。
reason-length = 理由を `--reason` で書いてください(1～{ $max } バイト)。
code-desk-has-no-person = 共用端末は特定の人に結び付けません。`--person` を外してください。
code-needs-a-person = 誰の端末かを `--person` で指定してください。共用端末なら `--ownership shared-desk` を使います。
code-life = 登録コードの有効期間は1秒から7日までです。`--valid` をその範囲で指定してください。
code-no-secret = 登録コードを作れませんでした({ $detail })。
code-no-address = 登録コードを作れませんでした({ $detail })。設定ファイルの `name` と `listen` を確かめてください。
explain-no-system = ポリシーには、{ $target } で使うシステムがありません。
folder-not-empty = { $folder } は空ではありません。別のフォルダを指定してください。
init-no-org = { $name } からは組織名を作れません({ $detail })。`--org` で指定してください。
ca-device-enrols = 端末の証明書は登録のときに発行されます。`hitotsu-gateway enrol-code` で登録コードを作ってください。
ca-staff-needs-a-person = 誰の証明書かを `--person` で指定してください。
ca-only-gateways-have-hosts = ホスト名を持つのはゲートウェイだけです。`--host` を外してください。
ca-stop-first = 発行局の鍵を新しくするには、先にゲートウェイを止めてください。
ca-other-holder = 証明書の持ち主が一致しません。
ca-request-not-base64 = 証明書の申請が Base64 ではありません。
ca-relays-only = この方法で発行できるのは、エージェントを使わない接続元(relay)の証明書だけです。
ca-kinds = `devices`、`gateways`、`staff` のどれかを指定してください。
code-unknown-person = { $person } は、いまのポリシーに登録されていません。{ $file } に加えて `hitotsu-gateway policy reload` を実行してください。先に登録コードだけ作るときは `--unlisted` を付けてください。

plain = { $text }
line-after-line =
    { $before }
    { $next }
file-unreadable = { $path } を読めません({ $error })。
file-not-written = { $path } に書き込めません({ $error })。
config-wrong = { $file } の { $key }: { $what }{ $remedy }
config-name-it = 。`--config` で設定ファイルを指定するか、`hitotsu-gateway init` で組織を作ってください。
config-full-path = 。`/` から始まる形で指定してください。
config-syntax =
    書き方が正しくありません。
    { $detail }
config-see-comments = 。`init` が作った設定ファイルの説明を見て直してください。
config-missing = 値がありません。
config-add = `{ $key } = "{ $example }"` のように書き加えてください。
config-not-so = { $text } は使えません({ $error })。
config-write = `{ $key } = "{ $example }"` の形で書いてください。
config-socket-long = { $path } が長すぎます(上限 { $max } バイト)。
config-shorter = `/run/hitotsu` の下など、もっと短い場所を指定してください。
bundle-unreadable = ポリシーの { $path } を読めません({ $error })。
bundle-file-too-large = ポリシーのファイル { $path } が { $max } バイトを超えています。分けてください。
bundle-too-many-files = ポリシーのフォルダ { $path } に、ファイルが { $max } 個より多くあります。フォルダが正しいか確かめてください。
bundle-not-text = ポリシーのファイル { $path } を文字として読めません。UTF-8 で保存し直してください。
audit-full = 監査ログのディスクに空きがありません。空きを作るか、ログの場所(`audit.dir`)を変えてください。
audit-failed = 監査ログに書き込めませんでした({ $why })。ディスクを直し、`hitotsu-gateway audit verify` を実行してから、ゲートウェイを起動し直してください。
audit-unfit = 監査ログに残せない記録です({ $why })。
audit-file = 監査ログの { $path } を読み書きできません({ $error })。
audit-in-use = 監査ログ { $path } は、ほかのプログラムが書き込み中です。先にそちらを止めてください。
damage-at = { $file } の { $offset } バイト目、記録 { $position }: { $what }
damage-cut-short = 途中で切れています。
damage-not-a-segment = この版のログのファイルではありません。
damage-not-a-record = ここから始まる記録がありません。
damage-hash = つながりが合いません。この記録か、一つ前の記録が書き換えられています。
damage-misplaced = ここに記録 { $number } があります。順番が変わっています。
damage-gap = 前のファイルから続いていません(記録 { $first } から始まります)。ファイルがなくなったか、切られたか、入れ替えられています。
damage-end = 記録 { $next } で終わっていますが、ディスクには { $noted } 件ありました。
damage-replaced = ディスクにあった記録と違います。
damage-unknown = この版では読めない記録です({ $error })。
credential-unreadable = { $path } を読めません({ $error })。`hitotsu-gateway check` で確かめてください。
credential-content = { $path } を使えません({ $why })。
credential-tls = 証明書と鍵を使えません({ $why })。`hitotsu-gateway check` で確かめてください。
authority-file = { $path } を読み書きできません({ $error })。設定ファイルの `[authorities]` を確かめてください。
authority-no-certificate = { $path } に PEM 形式の証明書がありません。
authority-names = 証明書を作れません({ $why })。ホストと組織の名前を確かめてください。
authority-failed = 鍵か証明書を作れませんでした({ $why })。
serve-no-policy =
    { $why }
    ポリシーがないと、ゲートウェイは起動できません。直してから `hitotsu-gateway policy check` で確かめてください。
serve-port = { $address } で待ち受けられません({ $error })。別の場所にするか、使っているプログラムを止めてください。
serve-resolver = 名前を調べる準備ができませんでした({ $why })。設定ファイルの `dns.servers` を指定してください。
serve-watch-ended = 開いている通信の見張りが止まりました。ログを確かめ、ゲートウェイを起動し直してください。
serve-worker-ended = 通信を運ぶスレッドが止まりました。ログを確かめ、ゲートウェイを起動し直してください。

reach-and = 、
reach-or = { "  " }または{ "  " }
reach-who = { $resource } を開けるのは、利用者・端末 { $of } 件のうち { $can } 件です。
reach-what = { $who } が開けるのは、{ $of } システムのうち { $can } システムです。
reach-looked-at = ポリシー { $bundle } について、{ $from } から1年間のすべての日時と場所、端末のあらゆる状態を調べました。推定や抽出はしていません。
reach-those-can = 開ける({ $count })
reach-those-cannot = 何をしても開けない({ $count })
reach-never = 何をしても開けないシステム
reach-more = 条件が多いため、一部だけを示しています。
reach-and-more = { $names } ほか { $count }(すべて見るには `--json` か `--html`)
reach-where = 場所
reach-days = 日
reach-time = 時刻
reach-approval = 承認
reach-approved = 承認された時間
reach-not-approved = 承認がないとき
reach-agent = エージェント
reach-with-agent = あり
reach-agentless = なし(relay)
reach-device = 端末
reach-issued = 貸与
reach-shared-desk = 共用
reach-byod = 私物
reach-level = 確からしさ
reach-state = 端末の状態
reach-when = 条件
reach-always = いつでも、どこからでも
reach-place-unknown = どの場所でもない
reach-place-was = { $place }(今は「{ $before }」)
reach-every-day = 毎日
reach-on-holidays = { $days }のうち休日だけ
reach-not-on-holidays = { $days }(休日を除く)
reach-same = ポリシー { $before } と { $after } は、調べた全員について、すべて同じ答えになります。
reach-changes = ポリシーを { $before } から { $after } に変えると、次の人の使えるものが変わります。
reach-lose = { $resource }: 利用者・端末 { $count } 件が、次のときに開けなくなります
reach-lose-all = { $resource }: 利用者・端末 { $count } 件が、まったく開けなくなります
reach-gain = { $resource }: 利用者・端末 { $count } 件が、次のときに開けるようになります
reach-gain-and-lose = { $resource }: 利用者・端末 { $count } 件の、開ける条件が変わります
reach-gained = ＋ 開けるようになる
reach-lost = － 開けなくなる
reach-evidence-age = 端末の確認の有効時間も、{ $before } 秒から { $after } 秒に変わります。
reach-population = 端末の一覧 { $path } を読めません({ $why })。`hitotsu-gateway device list --json` の出力を使ってください。
reach-uncountable = 正確に答えられません。端末の項目を定数と比べずに計算している規則があります({ $rules })。`context.項目 <= 30` のように、定数と直接比べる形に直してください。
reach-too-many-cases = 正確に答えられません。{ $file } の { $line } 行目の規則の条件が複雑すぎます。規則を分けてください。
reach-too-large = 正確に答えられません。規則の組み合わせが多すぎます。規則をグループや階層で書いてください。
reach-offsets = 2つのポリシーの `utc_offset` が違うため、時刻を比べられません({ $why })。
reach-no-resource = { $id } というシステムはポリシーにありません。ポリシーにあるもの: { $known }
reach-no-person = { $id } はポリシーに登録されていません。`people.toml` を確かめてください。
weekday-1 = 月
weekday-2 = 火
weekday-3 = 水
weekday-4 = 木
weekday-5 = 金
weekday-6 = 土
weekday-7 = 日
replay-title = 記録された通信を、下書きのポリシー { $after } に当てはめた結果(今は { $before })
replay-flows = { $since } からの通信 { $flows } 件を調べました。{ $same } 件は変わりません。端末の状態は記録に残らないため、あらゆる状態について調べています。
replay-losers = 必ず開けなくなるものがある利用者・端末は { $count } 件です。
replay-unknown = ほかに { $count } 件は、接続の始まりがログに残っていないため、誰のものか分かりません。
replay-lose = { $resource }: 利用者・端末 { $count } 件が開けなくなります
replay-depends = { $resource }: 利用者・端末 { $count } 件は、端末の状態によって開けなくなります
replay-gained = 利用者・端末 { $count } 件は、今は開けないものが開けるようになります({ $flows } 件)
replay-who = 対象
replay-count = 通信の数
replay-times = いつ
replay-why = 本人が見る理由
replay-rules = 決めた規則
replay-quarter-0 = { $day }曜の早朝({ $flows })
replay-quarter-1 = { $day }曜の午前({ $flows })
replay-quarter-2 = { $day }曜の午後({ $flows })
replay-quarter-3 = { $day }曜の夜({ $flows })

evidence-title = 自治体向けガイドラインの項目のうち、ポリシーで確かめられる { $of } 項目について: { $met } 項目を満たしています。
evidence-reader = これは構成を調べた結果です。法令やガイドラインに適合するかどうかは、個人情報保護とセキュリティの担当者が判断してください。
evidence-met = ○ { $control }
evidence-open = × { $control }
evidence-nothing = － { $control }(対象のシステムがありません)
evidence-proof = 対象のシステム { $systems } 件のすべてで、これに反して開ける条件は一つもありません。
evidence-system = システム
evidence-log = アクセス記録が改ざんされていないこと(特定個人情報の安全管理措置)
evidence-log-good = 監査ログの { $records } 件は、すべて書かれたときのままです(最後のハッシュ { $hash })。
evidence-log-bad = 監査ログの { $records } 件の中に、書かれたときと違うものがあります(最後のハッシュ { $hash })。
evidence-built-in = ポリシーの内容によらず、このプログラムの作りとして守られること
evidence-missing = この版では対応していないこと(別の手段が必要です)
control-tier1-in-the-rooms = マイナンバー利用事務系は、庁舎と区役所など市の拠点からだけ開ける(三層の対策)
control-tier1-not-on-own-machines = マイナンバー利用事務系は、私物の端末では開けない(三層の対策)
control-tier1-with-the-agent = マイナンバー利用事務系は、エージェントのない端末では開けない(三層の対策)
control-state-shown = 状態を示していない端末では、何も開けない(クライアント検疫)
control-firewall = マイナンバー利用事務系とLGWAN接続系は、ファイアウォールが有効と確かめた端末だけ
control-disk = マイナンバー利用事務系とLGWAN接続系は、ディスクの暗号化を確かめた端末だけ(未暗号化と不明を除く)
control-updates = マイナンバー利用事務系とLGWAN接続系は、更新の状況を確かめた端末だけ(テレワークセキュリティガイドライン 脆弱性管理)
control-screen-lock = マイナンバー利用事務系とLGWAN接続系は、画面ロックが有効と確かめた端末だけ
control-antivirus = マイナンバー利用事務系とLGWAN接続系は、ウイルス対策が動いていると確かめた端末だけ(LGWAN接続系テレワーク要件)
control-forbidden-software = マイナンバー利用事務系とLGWAN接続系は、禁止したプログラムがないことを確かめた端末だけ
built-in-device-key = 端末は、登録したときの鍵と証明書で見分けます。パスワードだけで入る方法はありません。
built-in-place = 場所は、本人の申告ではなく、ゲートウェイから見た接続元のネットワークで決まります。
built-in-no-mac-address = MACアドレスは、認証に使いません。集める項目にもありません。
built-in-reevaluated = 端末の状態、時刻、場所、失効が変わると、開いている通信も判定し直し、認められないものは切ります。
built-in-no-personal-number = 個人番号やその一部、ハッシュを記録する項目はありません。記録に残るのは仮名の番号だけです。
missing-second-factor = 多要素認証: 人の本人確認(OTP、パスキーなど)
missing-content = 画面転送以外の持ち出し: クリップボード、印刷、保存の制限、通信の中身の検査
missing-watermark = 画面と文書の透かし
missing-working-hours = 始業・中断・再開・終業の報告、画面からの承認の申請(所属長の承認そのものは approvals.toml に書けます)
missing-leak-clock = 漏えい等の報告の期限の管理
missing-disaster = 災害時モード

explain-code-rules = この理由で断る規則: { $count }
explain-code-refusals = 最近の記録: { $count }
policy-idle-unknown = 効き目のない規則があるかどうかは、調べられませんでした。{ $why }
