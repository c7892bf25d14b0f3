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
