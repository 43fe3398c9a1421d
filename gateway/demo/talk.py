"""What customers and agents say, in four languages.

A talk is the customer's first question, then turns: lines that start with `»` are the agent's.
`{agent}` and `{customer}` are placeholders. The text is plain: `<` and `&` need no escaping.
"""

AGENT_MARK = "» "

TALKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "NO": (
        (
            "Hei! Fakturaene for oktober & november ser feil ut 🤔",
            "» Hei {customer}, du snakker med {agent}. Hvilket fakturanummer gjelder det?",
            "Det er 104-2291. Beløpet er dobbelt så høyt som avtalt.",
            "» Takk! Jeg ser det: Service Plus er ført to ganger. Det beklager jeg.",
            "Ok & når får vi kreditnota?",
            "» Den sendes i dag. Du får den på e-post innen kl. 16.",
            "Supert, tusen takk for rask hjelp! 🙏",
            "» Bare hyggelig. Ha en fin dag videre! 😊",
        ),
        (
            "Får ikke logget inn etter oppdateringen i natt",
            "» Hei, {agent} her. Hvilken feilmelding får du?",
            "«Ugyldig økt (XSRF)». Har prøvd både Chrome & Edge.",
            "» Kan du slette informasjonskapslene for siden og prøve igjen?",
            "Et øyeblikk …",
            "Nå gikk det! 🎉 Men kollegaen min på Tromsø-kontoret har samme problem.",
            "» Da gjelder samme løsning der: Innstillinger → Personvern → Slett.",
            "Flott, da sier jeg fra. Takk!",
        ),
    ),
    "DE": (
        (
            "Guten Tag, unsere Lieferung ist seit drei Tagen überfällig.",
            "» Guten Tag {customer}, mein Name ist {agent}. Wie lautet die Auftragsnummer?",
            "Auftrag A-7731, 40 Stück für das Lager in Göppingen.",
            "» Danke. Der Spediteur meldet eine Störung, die Ware steht in Kassel.",
            "Das ist ärgerlich 😕 Wann können wir damit rechnen?",
            "» Spätestens morgen, 10 Uhr. Ich habe die Express-Zustellung gebucht.",
            "Übernehmen Sie die Mehrkosten?",
            "» Selbstverständlich. Sie erhalten dafür eine Gutschrift.",
            "Vielen Dank, das hilft uns sehr! 👍",
        ),
        (
            "Wie ändere ich die Rechnungsadresse? Wir sind umgezogen (Große Elbstraße).",
            "» Hallo {customer}! Das erledige ich gern. Wie lautet die neue Anschrift?",
            "Große Elbstraße 68, 22767 Hamburg, gilt ab sofort.",
            "» Ist gespeichert ✅ Soll ich die Lieferadresse ebenfalls anpassen?",
            "Ja bitte, und könnten Sie „Hinterhaus“ ergänzen?",
            "» Erledigt. Sie bekommen gleich eine Bestätigung per E-Mail.",
            "Prima, danke schön!",
        ),
    ),
    "GB": (
        (
            "Hi there, is the trade discount still 15% for orders over £500?",
            "» Hello {customer}, this is {agent}. Yes, until the end of the month!",
            "Brilliant. Can I combine it with the free delivery code?",
            "» I'm afraid not: it's one or the other. The discount is worth more here 🙂",
            "Fair enough. Could you send a quote for 24 cases?",
            "» On its way to your inbox. It's valid for 14 days.",
            "Got it. One thing: the VAT number on it isn't ours.",
            "» Well spotted, I've corrected it and sent it again.",
            "Perfect, cheers! 👏",
        ),
        (
            "Our export & backup have been stuck at 99% since this morning 😬",
            "» Hi {customer}, {agent} here. Roughly how many rows are in it?",
            "About 1,200,000. It says “Error: timeout <500>” now.",
            "» Thanks, that's a limit on our side. Let me restart it in two halves.",
            "OK, shall I keep the page open?",
            "» No need: you'll get a link by e-mail when both are ready.",
            "First half just arrived, looks good.",
            "» And there's the second. Anything else I can help with?",
            "That's all, thanks ever so much.",
        ),
    ),
    "JP": (
        (
            "こんにちは。先週注文した部品がまだ届いていません。",
            "» {customer}様、担当の{agent}です。注文番号をお願いします。",
            "注文番号はJP-20418です。",
            "» 確認いたします。少々お待ちください。",
            "» 通関の手続きで遅れております。明日の午前中に到着する予定です。",
            "わかりました。追跡番号を教えてもらえますか。📦",
            "» はい、メールでお送りしました。ご不便をおかけして申し訳ございません。",
            "ありがとうございます😊",
        ),
        (
            "見積書の金額に消費税は含まれていますか。",
            "» {agent}と申します。はい、10%の税込み価格です。",
            "数量を100個に増やした場合はどうなりますか。",
            "» 100個以上で5%割引になります。新しい見積書をお作りしましょうか。",
            "お願いします🙇",
            "» 承知いたしました。本日中にお送りいたします。",
            "助かります。よろしくお願いします。",
        ),
    ),
}

BOT_GREETING = {
    "NO": "Hei, jeg er Robo 🤖 Hva gjelder henvendelsen?",
    "DE": "Hallo, ich bin Robo 🤖 Worum geht es?",
    "GB": "Hello, I'm Robo 🤖 What is this about?",
    "JP": "こんにちは、ロボです🤖 ご用件をお選びください。",
}
BOT_HANDOVER = {
    "NO": "Takk! Jeg setter deg over til en kollega av kjøtt & blod.",
    "DE": "Danke! Ich verbinde Sie mit einem Menschen.",
    "GB": "Thanks! Let me find you a human colleague.",
    "JP": "ありがとうございます。担当者におつなぎします。",
}
TRANSFERRED = {
    "NO": "Hei, {agent} her. Jeg har lest samtalen og tar over.",
    "DE": "Hallo, hier ist {agent}. Ich habe mitgelesen und übernehme.",
    "GB": "Hi, {agent} here. I've read the chat so far and will take it from here.",
    "JP": "{agent}と申します。ここからは私が担当いたします。",
}
