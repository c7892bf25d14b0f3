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
