# エージェントの文。専門用語を使わない。

### 端末の状態：見つかったことと直し方

posture-os-name = 基本ソフト（OS）
posture-os-version = OSの版
posture-kernel-version = カーネル
posture-security-update-age-days = セキュリティ更新
posture-security-update-age-days-value = { $number ->
        [0] 今日の時点で最新です。
       *[other] 最新と確認できたのは { $number } 日前です。
    }
posture-security-update-age-days-remedy = 更新を確認して適用してください：`sudo apt update && sudo apt full-upgrade` または `sudo dnf upgrade`。求められたら再起動してください。
posture-disk-encrypted = ディスクの暗号化
posture-disk-encrypted-yes = システムのディスクは暗号化されています。
posture-disk-encrypted-no = システムまたは利用者のファイルのディスクが暗号化されていません。
posture-disk-encrypted-remedy = ディスクの暗号化（LUKS）は、システムを入れるときに選びます。情報システム担当に相談してください。
posture-firewall-on = ファイアウォール
posture-firewall-on-yes = 外からの不要な接続を断っています。
posture-firewall-on-no = 外からの不要な接続を受け入れています。
posture-firewall-on-remedy = `sudo ufw enable` などでファイアウォールを有効にし、すべてを受け入れる規則を取り除いてください。
posture-screen-lock-on = 画面ロック
posture-screen-lock-on-yes = 画面は自動でロックされます。
posture-screen-lock-on-no = 画面は自動でロックされません。
posture-screen-lock-on-remedy = 設定の「プライバシー」または「電源」で、画面の自動ロックを有効にしてください。
posture-screen-lock-seconds = 画面がロックされるまでの時間
posture-screen-lock-seconds-value = { $number } 秒です。
posture-screen-lock-seconds-remedy = 画面がロックされるまでの時間を短くしてください。
posture-antivirus-running = ウイルス対策ソフト
posture-antivirus-running-yes = ウイルス対策ソフトが動いています。
posture-antivirus-running-no = ウイルス対策ソフトが動いていません。
posture-antivirus-running-remedy = `sudo systemctl enable --now clamav-daemon` などでウイルス対策ソフトを起動してください。
posture-antivirus-signature-age-days = ウイルス定義ファイル
posture-antivirus-signature-age-days-value = { $number ->
        [0] 今日作られたものです。
       *[other] { $number } 日前のものです。
    }
posture-antivirus-signature-age-days-remedy = `sudo freshclam` などで定義ファイルを更新してください。
posture-secure-boot = セキュアブート
posture-secure-boot-yes = 署名された起動プログラムだけが使われました。
posture-secure-boot-no = セキュアブートが無効です。
posture-secure-boot-remedy = 本体の設定画面（ファームウェア）でセキュアブートを有効にします。情報システム担当に相談してください。
posture-tpm-present = セキュリティチップ（TPM）
posture-tpm-present-yes = TPM 2.0 があります。
posture-tpm-present-no = TPM 2.0 が見つかりません。
posture-tpm-present-remedy = TPM を備えていれば、本体の設定画面（ファームウェア）で有効にします。情報システム担当に相談してください。
posture-agent-intact = このエージェント
posture-agent-intact-yes = エージェントは導入したときのままです。
posture-agent-intact-no = エージェントのプログラムが導入後に変わったか、ほかの利用者が変えられる状態です。
posture-agent-intact-remedy = 更新した直後なら、エージェントを再起動してください。そうでなければ、持ち主だけが書き込める場所に入れ直してください。
posture-forbidden-software = 使用が禁止されたソフトウェア
posture-forbidden-software-none = 動いていません。
posture-forbidden-software-list = 動いています：{ $list }
posture-forbidden-software-remedy = 終了してください。数秒で自動的に再確認されます。
posture-clock-skew-seconds = 時計
posture-clock-skew-seconds-value = { $number ->
        [0] 時計は合っています。
       *[other] ゲートウェイの時計と { $number } 秒ずれています。
    }
posture-clock-skew-seconds-remedy = 時計を自動で合わせる設定にしてください：`sudo timedatectl set-ntp true`
posture-unknown = 分かりません：{ $why }。
posture-unknown-detail = 分かりません：{ $why }（{ $detail }）。

why-not-on-this-platform = この版では、このOSについて調べられません
why-no-answer = 確認の結果が返ってきません
why-no-answer-remedy = エージェントを再起動してください。直らないときは情報システム担当に連絡してください。
why-crashed = 確認の途中で不具合が起きました
why-crashed-remedy = エージェントを再起動してください。直らないときは情報システム担当に連絡してください。
why-not-said = 確認で使える結果が得られませんでした
why-not-said-remedy = エージェントを再起動してください。直らないときは情報システム担当に連絡してください。
why-not-readable = 読み取りが許されていないか、存在しません
why-not-on-disk = コンテナーの中などで、システムが専用のディスクにありません
why-device-not-visible = ここからは装置が見えません
why-ruleset-not-readable = この利用者には、ファイアウォールの規則を読む権限がありません
why-ruleset-not-readable-remedy = エージェントをシステムのサービスとして動かすか、ufw または firewalld でファイアウォールを管理してください。
why-rule-not-understood = この版では判断できない条件を使うファイアウォールの規則があります
why-rule-not-understood-remedy = 外からの接続についての規則を簡単にするか、情報システム担当に相談してください。
why-no-firewall-tool = ファイアウォールの規則を調べるプログラムが入っていません
why-no-firewall-tool-remedy = `sudo apt install ufw && sudo ufw enable` などでファイアウォールを入れてください。
why-no-graphical-session = 画面にサインインしている人がいません
why-desktop-not-known = この版では、このデスクトップの設定を読めません
why-desktop-not-known-remedy = /etc/systemd/logind.conf に `IdleAction=lock` を設定してください。
why-never-locks = 画面は自動でロックされません
why-never-locks-remedy = 設定の「プライバシー」または「電源」で、画面の自動ロックを有効にしてください。
why-no-antivirus = ウイルス対策ソフトが見つかりません
why-no-antivirus-remedy = `sudo apt install clamav-daemon` などで入れてください。
why-signatures-not-known = このウイルス対策ソフトは、定義ファイルの日付を公開していません
why-no-package-manager = この版が扱えるパッケージ管理の仕組みが見つかりません
why-no-security-source = セキュリティ更新の一覧が取得されていません
why-no-security-source-remedy = 配布元のセキュリティ更新を入手先に加え、更新を確認してください。
why-updates-wait = セキュリティ更新がたまっていて、いつからかは分かりません
why-updates-wait-remedy = 適用してください：`sudo apt update && sudo apt full-upgrade` または `sudo dnf upgrade`。求められたら再起動してください。
why-updates-not-listed = 適用待ちの更新を調べられませんでした
why-no-recorded-hash = 導入時に、プログラムの指紋が記録されていません
why-no-recorded-hash-remedy = このパソコンをもう一度登録してください。そのときに記録されます。
why-processes-hidden = この利用者には、ほかの利用者のプログラムが見えません
why-processes-hidden-remedy = エージェントをシステムのサービスとして動かしてください。
why-no-gateway-time = ゲートウェイの時刻をまだ受け取っていません

### コマンド

help-code = お問い合わせ番号：{ $code }
not-running = エージェントが動いていません。「hitotsu run」で起動してください。

ago-seconds = { $count }秒前
ago-minutes = { $count }分前
ago-hours = { $count }時間前
ago-days = { $count }日前

enrolled = このパソコンを{ $org }に登録しました。
enrolled-device = 端末番号：{ $device }
enrolled-person = 利用者：{ $person }
enrolled-next = 「hitotsu run」でエージェントを起動してください。

run-ready = エージェントが動いています。止めるには Ctrl-C を押してください。
run-socks5 = SOCKS5プロキシ：{ $address }
run-http = HTTPプロキシ：{ $address }（自動設定：http://{ $address }/proxy.pac）
run-connected = 接続しました（{ $transport }）。

status-connected = { $gateway }に接続しています（{ $transport }、{ $ago }から）。
status-leaving = ゲートウェイがまもなく止まるため、別の接続に切り替えています。開いているものはそのまま使えます。
status-connecting = { $gateway }にまだ接続できていません。
status-refused = { $gateway }がこのパソコンの接続を断っています。
status-healthy = 安全確認済み（{ $ago }、レベル{ $level }）。
status-findings = 安全確認の結果、直すところがあります（{ $ago }、レベル{ $level }）：
status-flows = 開いている接続：{ $open }（起動してから{ $opened }）、送信 { $up }、受信 { $down }
status-recent = 最近断られた、または切断された接続：
event-refused = { $target }：断られました（{ $ago }）
event-cut = { $target }：切断されました（{ $ago }）

field-org = 組織
field-device = 端末番号
field-person = 利用者
field-place = 場所
field-socks5 = SOCKS5プロキシ
field-http = HTTPプロキシ
field-forward = 転送

catalogue-old = いまは接続がありません。最後に分かっていた内容を表示します。
catalogue-empty = 利用できるシステムはありません。

why-old = いまは接続がありません。最後に分かっていた内容で答えます。
why-allowed = { $target }は開けます。
why-refused = { $target }は開けません。
why-rules = 判断の根拠となった規則：{ $rules }

check-config = 設定
check-identity = 証明書
check-owner = 接続元の利用者の確認
check-agent = エージェント
check-connecting = 接続中
check-gateway-name = ゲートウェイの名前
check-gateway-tcp = ゲートウェイ（TCP）
check-gateway-h3 = ゲートウェイ（HTTP/3、UDP）
check-gateway-h2 = ゲートウェイ（HTTP/2、TCP）
check-skipped = 上の問題のため、確認していません

page-heading = このページは開けません
page-help-code = お問い合わせ番号：{ $code }

### コマンドが実行できなかったわけ

agent-answered-otherwise = エージェントの答えが正しくありません。エージェントを起動し直してください。
already-running = 同じフォルダを使うエージェントがすでに動いています。先に止めてください。
control-not-yet = このOSでは、まだこのコマンドを使えません。
control-path-too-long = フォルダの名前 { $path } が長すぎます。`--state-dir` でもっと短い場所を指定してください。
control-failed = エージェントと通信できません（{ $why }）。
control-other-version = 動いているエージェントの版が違います。エージェントを起動し直してください（{ $version }）。
folder-not-usable = フォルダ { $folder } を使えません（{ $why }）。
log-not-written = ログを書き込めません（{ $why }）。ディスクの空きを確かめてください。
log-not-read = ログを読み取れません（{ $why }）。

no-state-dir = 情報を置くフォルダを決められません（{ $why }）。`--state-dir` で指定してください。
no-runtime = 始める準備ができませんでした（{ $why }）。ほかのプログラムを閉じて、もう一度試してください。
file-not-usable = { $path } を読み書きできません（{ $why }）。
loose-link = { $path } はリンクです。ファイルそのものを置いてください。
loose-owner = { $path } は別の利用者（番号 { $owner }）のものです。次を実行してください：`chown { $own } '{ $path }'`
loose-open = { $path } を、ほかの利用者が開ける状態です。次を実行してください：`chmod { $tight } '{ $path }'`
loose-elsewhere = { $path } は、ほかの利用者が開けるおそれのある場所です。自分のフォルダの中に置いてください。

enrol-code-too-long = 登録コードとしては長すぎます。コードだけを写してください。
enrol-code-no-gateway = 登録コードに「@」がありません。`@gateway.example:443` のように、「@」とゲートウェイの場所で終わります。
enrol-code-bad-gateway = { $text } はゲートウェイの場所ではありません。`gateway.example:443` の形で入力してください。
enrol-code-symbol = 登録コードの { $group } 番目の組に、使われない文字「{ $symbol }」があります。その組を見直してください。
enrol-code-length = 登録コードの「@」より前が { $found } 文字です。正しくは { $expected } 文字です（「-」は数えません）。写し漏れがないか見直してください。
enrol-code-checksum = 登録コードかゲートウェイの場所に、写し間違いがあります。もう一度見比べてください。
enrol-code-root = 組織の証明書を読めません。情報システム担当に連絡してください。

enrol-unreachable = { $gateway } につながりません（{ $why }）。ネットワークと、登録コードの「@」より後ろを確かめてください。
enrol-wrong-gateway = つながった相手を、登録コードを発行したゲートウェイだと確かめられませんでした（{ $why }）。
enrol-answer = ゲートウェイの答えが正しくありません（{ $why }）。情報システム担当に連絡してください。
enrol-already = このパソコンはすでに登録されています。登録し直すときは `--again` を付けてください。
enrol-key = このパソコンの鍵を作れないか、使えません（{ $why }）。情報システム担当に連絡してください。
identity-not-enrolled = このパソコンはまだ登録されていません。登録コードを使って `hitotsu enrol` を実行してください。
identity-damaged = { $path } が壊れています（{ $why }）。このパソコンをもう一度登録してください。
identity-unusable = このパソコンの登録の内容を使えません（{ $why }）。もう一度登録してください。

config-unreadable = 設定ファイル { $path } を読めません（{ $why }）。持ち主と、読み取りの許可を確かめてください。
config-too-long = 設定ファイル { $path } が長すぎます。{ $max } バイトまでに短くしてください。
config-form = 設定ファイル agent.toml の { $line } 行目が正しくありません（{ $what }）。その行を直すか、消してください。
config-value = 設定ファイル agent.toml の { $key }：{ $what }
value-no-address = { $text } はアドレスとポートの形ではありません。`127.0.0.1:1080` のように書いてください。
value-not-loopback = { $text } では、ほかの機械がこのパソコンの権限を使えてしまいます。`127.0.0.0/8` か `[::1]` のアドレスにしてください。
value-pattern = { $text } は宛先の書き方として正しくありません。名前（`files.example`）、`*.example`、範囲（`10.1.0.0/24`）のどれかで書いてください。
value-transport = { $text } は使えません。`tcp` か `udp` を指定してください。
value-taken = { $text } は、前にある転送の設定ですでに使われています。別のポートにしてください。
value-route = { $text } は使えません。`tunnel`、`direct`、`block` のどれかを指定してください。
value-congestion = { $text } は使えません。`steady`、`cubic`、`bbr` のどれかを指定してください。
value-forwards = 転送の設定が { $count } 件あります。{ $max } 件までに減らしてください。
value-patterns = 宛先が { $count } 件あります。範囲や `*.name` でまとめて、{ $max } 件までにしてください。
target-host = { $text } は、名前でもアドレスでもありません。
target-port = { $text } にポートがありません。`files.example:443` のように、1～65535 の番号を付けてください。
front-taken = 設定の { $key }：{ $address } で待ち受けられません（{ $why }）。使っているプログラムを止めるか、別のポートにしてください。

dial-unreachable = つながりません（{ $why }）。
dial-untrusted = つながった相手を、組織のゲートウェイだと確かめられませんでした（{ $why }）。
dial-not-accepted = ゲートウェイが、このパソコンの証明書を受け付けませんでした（{ $why }）。もう一度登録してください。
dial-incompatible = ゲートウェイと版が合いません（{ $why }）。エージェントを最新版にしてください。
found-good = 問題ありません
found-addresses = アドレス { $count } 件
found-valid = { $from } から { $until } まで有効
found-name = 名前からアドレスを調べられません（{ $why }）
found-late = 時間内に応答がありませんでした
found-other-user = 別の利用者の接続に見えます
found-certificate = 証明書を使えません（{ $why }）。このパソコンをもう一度登録してください。
