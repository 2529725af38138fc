//! The cues: which words speak for which task, in one table, from which `docs/task-routing.md` is written.
//!
//! A row counts once a request, by its best place, so that a text full of one word weighs no more than a clear order. Phrases are
//! written as the reader sees text: lower case, without accents (`u` for `ü`, `ss` for `ß`). A phrase ends where a word ends, save
//! with `*` at its end; in scripts without spaces it may stand anywhere.
//!
//! **Invariant:** every phrase is folded already and has three bytes or more, which the lookup's key needs (a test holds both).

use crate::config::task::Task;

/// How a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An order or a word of it: counts most at the beginning of the ask, hardly in what is pasted or quoted.
    Ask,
    /// A thing that can be made: counts twice near a word of making.
    Thing,
    /// A word of making: no task by itself.
    Make,
    /// A complaint: counts three times as much where something technical is about.
    Complaint,
    /// A word of the trade: as an order, and says that something technical is about.
    Trade,
    /// What only machines write: counts the same anywhere, and says that something technical is about.
    Mark,
    /// Not a phrase: the request's shape, read elsewhere.
    Shape,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// What it is called in explanations.
    pub name: &'static str,
    /// What it speaks for.
    pub task: Task,
    /// How it counts.
    pub kind: Kind,
    /// What it is worth.
    pub points: f64,
    /// Its phrases, separated by `|`.
    pub phrases: &'static str,
}

const fn row(name: &'static str, task: Task, kind: Kind, points: f64, phrases: &'static str) -> Row {
    Row { name, task, kind, points, phrases }
}

const fn shape(name: &'static str, task: Task, points: f64) -> Row {
    row(name, task, Kind::Shape, points, "")
}

use Kind::{Ask, Complaint, Make, Mark, Thing, Trade};
use Task::{CodeGeneration, CreativeWriting, Debugging, DocumentAnalysis, General, Math, Translation};

/// Rows that are not read from phrases, by their place in [`ROWS`].
pub(super) const CODE: usize = 0;
pub(super) const CODING_TOOLS: usize = 1;
pub(super) const CODE_BEFORE: usize = 2;
pub(super) const TRACE: usize = 3;
pub(super) const PASTED: usize = 4;
pub(super) const ATTACHED: usize = 5;
pub(super) const FORMULA: usize = 6;
pub(super) const WORD_PROBLEM: usize = 7;
/// Rows of phrases that rules name.
pub(super) const TRANSLATE: usize = 8;
pub(super) const LANGUAGE: usize = 9;
pub(super) const PROGRAMMING: usize = 10;
pub(super) const QUANTITY: usize = 11;
pub(super) const COMPLAINT: usize = 12;
pub(super) const CODE_WORD: usize = 13;
pub(super) const AT_HAND: usize = 14;

/// All rows.
pub const ROWS: &[Row] = &[
    shape("code in the ask", CodeGeneration, 3.0),
    shape("coding tools on offer", CodeGeneration, 3.0),
    shape("code in the last answer", CodeGeneration, 2.0),
    shape("an error's name or a place in a file", Debugging, 5.0),
    shape("a long text below the ask", DocumentAnalysis, 2.5),
    shape("an attachment", DocumentAnalysis, 2.5),
    shape("a formula", Math, 4.0),
    shape("a quantity asked for, among numbers", Math, 4.0),
    row(
        "to translate",
        Translation,
        Ask,
        6.0,
        "translate|translates|translating|translated|translator|localize|localise|localizing|localising|ubersetz*|uebersetz*|\
         verdeutsch*|tradui*|traduc*|traduz*|traduzione|vertaal*|vertal*|przetlumacz*|tlumacz*|перевед*|перевест*|перевод|\
         переводит*|翻译|翻譯|译成|译为|翻成|翻訳|訳して|訳す|訳を|和訳|英訳|번역|什么意思|this translation|a translation of|translation of this|translation for|original german|original french|original spanish|original polish|original russian|original text in|是什麼意思|sound natural in|native speaker|version anglaise|version francaise|version inglesa|englische version|how do you say|how would you say|how do i say|\
         how to say|wie sagt man|wie schreibt man|was heisst|was bedeutet auf|the english word for|the french word for|the german word for|the spanish word for|an english word for|comment dit-on|comment on dit|comment dire|como se dice|como se diz|\
         como digo|como dizer|come si dice|hoe zeg je|jak powiedziec|как будет по-*|как сказать|怎么说|怎麼說|何と言*|なんて言*",
    ),
    row(
        "a language by name",
        Translation,
        Ask,
        2.5,
        "into english|into german|into french|into spanish|into italian|into portuguese|into russian|into chinese|into japanese|\
         into korean|into dutch|into polish|into arabic|into turkish|into hindi|into greek|to english|to german|to french|\
         to spanish|to italian|to portuguese|to russian|to chinese|to japanese|to korean|to dutch|to polish|to arabic|to turkish|\
         in english|in german|in french|in spanish|in italian|in portuguese|in russian|in chinese|in japanese|in korean|in dutch|\
         in polish|in arabic|in turkish|in greek|in latin|\
         auf englisch|auf deutsch|\
         auf franzosisch|auf spanisch|auf italienisch|auf russisch|ins englische|ins deutsche|ins franzosische|ins spanische|\
         ins italienische|ins russische|ins turkische|ins polnische|ins niederlandische|ins chinesische|ins japanische|\
         en anglais|en francais|en allemand|en espagnol|en italien|en portugais|en russe|en chinois|en japonais|en arabe|\
         al ingles|en ingles|al espanol|en espanol|al frances|en frances|al aleman|en aleman|al italiano|al catalan|a catalan|al chino|en ->*|de ->*|fr ->*|es ->*|it ->*|pt ->*|\
         para ingles|em ingles|para o ingles|para portugues|em portugues|para espanhol|em espanhol|em frances|em alemao|em russo|\
         in inglese|in italiano|in tedesco|in francese|in spagnolo|in russo|in cinese|naar het engels|in het engels|\
         naar het nederlands|na angielski|na polski|na niemiecki|po angielsku|на английск*|на русск*|на немецк*|на французск*|\
         на испанск*|на китайск*|по-английски|по-немецки|по-русски|по-французски|英文|英语|中文|法语|日语|德语|韩语|西班牙语|俄语|\
         英語|日本語|中国語|韓国語|フランス語|ドイツ語|スペイン語|영어|한국어|일본어|중국어|프랑스어|독일어",
    ),
    row(
        "a programming language",
        CodeGeneration,
        Trade,
        3.0,
        "python|python3|javascript|typescript|java|c++|in c#|to c#|c# code|c# class|golang|in go|rust|php|ruby|kotlin|swift|scala|haskell|elixir|perl|matlab|\
         sql|mysql|postgres*|mariadb|sqlite|mongodb|bash|shell script|powershell|html|css|vba|awk|sed|regex|regexp|graphql|\
         питон*|파이썬|자바|パイソン",
    ),
    row(
        "a quantity asked for",
        Math,
        Ask,
        1.0,
        "how many|how much|how long|how far|how fast|wie viel*|wieviel*|wie lange|wie weit|wann|combien|cuant*|quant*|сколько|多少|\
         几个|几只|几天|いくつ|いくら|何人|何個|何分|何時間|몇 개|몇 명|얼마|hoeveel|ile",
    ),
    row(
        "something does not work",
        Debugging,
        Complaint,
        1.5,
        "doesn't work|doesnt work|does not work|don't work|not working|isn't working|stopped working|no longer works|works fine|\
         works locally|fails|failing|failed|failed to|crash|crashes|crashed|crashing|broken|breaks|broke|why does|why is|why isn't|\
         why do i|why am i|why won't|can't reach|can't connect|can't see why|no idea why|error|errors|what's wrong|wrong|fix|hangs|\
         hanging|freezes|stuck|throws|throwing|returns undefined|returns null|returns nothing|instead of|never ends|\
         forever|does nothing|nothing happens|leaks|overflow|not found|does not exist|doesn't exist|cannot find|can't find|\
         cannot read|timed out|times out|out of memory|memory leak|stack overflow|off by one|too slow|suddenly|intermittent*|flaky|\
         duplicates|unexpected|after upgrading|after updating|after the update|since the update|\
         funktioniert nicht|geht nicht|lauft nicht|nicht mehr|fehler|fehlermeldung*|sturzt*|absturz*|hangt|schlagt*|warum|woran|\
         kaputt|falsch|seit dem update|ne marche pas|ne marche plus|ne fonctionne pas|ne fonctionne plus|erreur|erreurs|pourquoi|\
         plante|bloque|corrige|corriger|no funciona|ya no|no anda|error al|por que|falla|fallo|errores|no entiendo por que|\
         se queda|colgado|arregla|repetid*|duplicad*|nao funciona|parou de|erro|erros|nao consigo|resolvo|travad*|travando|corrig*|\
         non funziona|non funziona piu|errore|errori|sbagliat*|si blocca|si e bloccat*|perche|non va|non parte|werkt niet|\
         foutmelding|fout|nie dziala|blad*|dlaczego|не работает|не запускается|не видит|не могу понять|ошибк*|почему|падает|\
         вылетает|зависает|исправь|сломал*|выдает|после обновления|为什么|為什麼|错误|錯誤|失败|失敗|不工作|崩溃|卡死|怎么解决|\
         怎么回事|一直|异常|不对|なぜ|原因|動かない|動きません|失敗|通りません|落ちる|おかしい|できない|固まる|\
         안 돼*|안돼*|안 되|왜 |고쳐*|작동하지|멈춰*|오류",
    ),
    row(
        "code, by its name",
        CodeGeneration,
        Thing,
        2.5,
        "function|functions|script|scripts|code|source code|query|queries|endpoint|api|rest api|snippet|algorithm|one-liner|cli|\
         command line|unit test|unit tests|the test|dockerfile|manifest|schema|parser|crawler|scraper|backend|frontend|web app|\
         data structure|type hints|funktion|funktionen|skript|abfrage|fonction|fonctions|requete|funcion|funciones|consulta|\
         codigo|bucle|funcao|funcoes|funzione|functie|funkcj*|skrypt|zapytani*|функци*|скрипт*|запрос*|код|函数|代码|代碼|脚本|\
         爬虫|接口|算法|查询|関数|スクリプト|コード|アルゴリズム|クエリ|함수|스크립트|코드|쿼리",
    ),
    row(
        "about a text at hand",
        DocumentAnalysis,
        Ask,
        2.0,
        "based on|according to|below|covered by|does this cover|does this say|which of these values|lab results|the manual says|in the manual|text:|the following article|the following email|the following document|following text|compare the|this document|this text|this file|in this|does it say|what does it|read this|go through|\
         here is our|here is the|use only the context|context:|analyze|analyse|in the text|aus dem|in diesem|in dieser|folgenden|\
         laut|d'apres|selon|suivant|ci-dessous|analyse|cet article|ce texte|segun|siguiente|en este|analiza|este contrato|analisa|\
         seguinte|neste|deste|desta|analizza|questo articolo|che ti incollo|seguente|secondo|onderstaande|ponizsz*|下面|以下|根据|\
         分析|从这|这份|这篇|次の|読んで|この文|分析|следующ*|в этом|согласно|ниже|проанализируй|다음|아래|분석",
    ),
    row(
        "a program or a part of one",
        CodeGeneration,
        Thing,
        2.0,
        "program|component|class|method|macro|workflow|module|migration|library|website|tool|loop|programm|klasse|schnittstelle|\
         schleife|programme|composant|classe|formulaire|boucle|clase|programa|componente|programma|программ*|класс*|метод|цикл|\
         程序|组件|类|循环|プログラム|コンポーネント|クラス|ループ|프로그램|클래스",
    ),
    row(
        "a tool of programmers",
        CodeGeneration,
        Trade,
        2.5,
        "react|vue|angular|hook|useeffect|usestate|redux|tailwind|vite|vitest|jest|cypress|playwright|selenium|pytorch|tensorflow|cuda|opencv|arduino|esp32|raspberry pi|telegram bot|discord bot|bot|excel formula|excel|google sheets|vlookup|monorepo|pre-commit|eslint|async|await|thread|threads|mutex|pointer|struct|enum|serde|tokio|deserializ*|serializ*|list comprehension|regular expression|stored procedure|foreign key|timestamp|timestamps|container|pod|pods|microservice|lambda|oauth|jwt|token|webhook|the ci|deploy|deployment|dependency|nvidia-smi|gpu|driver|ssh|ssl|tls|dns|proxy|firewall|android|ios|xcode|our app|my app|the app|unsere app|mon application|mi aplicacion|контейнер|видеокарт*|драйвер*|бот|телеграм*|приложение|登录|登录接口|前端|后端|アプリ|앱|svelte|node|node.js|express|django|flask|fastapi|spring boot|rails|laravel|next.js|pandas|numpy|docker*|\
         kubernetes|k8s|kubectl|helm|terraform|ansible|nginx|github action*|gitlab|jenkins|aws|redis|kafka|webpack|cargo|pip|npm|\
         yarn|maven|gradle|junit|pytest|git|linux|cron|crontab|json|yaml|flexbox|div|localhost|stdlib|compiler|compile|\
         pull request|repository|repo|database|datenbank|base de donnees|base de datos|базу данных|базы данных|数据库|\
         データベース|ビルド|сборк*|构建|编译|build log|server|servidor|serveur|сервер|服务器|サーバ*|browser|chrome|safari|firefox|websocket|http|https|cors",
    ),
    row(
        "to work on code",
        CodeGeneration,
        Ask,
        3.5,
        "refactor*|implement|implements|code review|review this code|review my code|write code|write a test|write tests|add tests|\
         rename|coding agent|coding assistant|software engineer|developer|programmer|pair programm*|optimize this|refaktor*|\
         implementier*|programmier*|umprogrammier*|refactoris*|implementa|implemente|programme-moi|programma|реализуй|\
         рефактор*|запрограммируй|重构|重構|实现|實現|编程|実装|リファクタ*|書き換えて|구현|리팩*|zaimplementuj",
    ),
    row(
        "a failure in a machine's words",
        Debugging,
        Mark,
        5.0,
        "traceback|stack trace|stacktrace|backtrace|panicked at|exception in thread|unhandled|uncaught|npm err*|\
         segmentation fault|segfault*|sigsegv|sigkill|core dumped|error[*|error:|fatal:|warn:|undefined reference|\
         undefined symbol|unresolved external|exit code|exit status|exits with code|exited with code|oomkilled|crashloopbackoff|\
         null pointer|nil pointer|is not defined|is not a function|no module named|no such file|permission denied|access denied|\
         connection refused|connection reset|econnrefused|econnreset|enoent|eacces|deadlock|race condition|infinite loop|\
         non-fast-forward|unable to resolve|index out of range|index out of bounds|out of bounds|incompatible types|\
         type mismatch|access-control-allow-origin|syntax error|parse error|assertion failed|no space left|segv|\
         bad gateway|internal server error|status code|http 500|unexpected token|ошибка сегментации|段错误|空指针",
    ),
    row(
        "to debug",
        Debugging,
        Ask,
        4.5,
        "debug|debugging|bug|bugs|buggy|bugfix|troubleshoot*|root cause|find the error|find the bug|fix this bug|fix the bug|\
         fehlersuche|finde den fehler|debuggen|debogu*|deboguer|depura*|depurar|调试|調試|排查|报错|報錯|デバッグ|バグ|エラー*|\
         отлад*|баг|디버*|버그|에러",
    ),
    row(
        "a people, or its language",
        Translation,
        Ask,
        1.0,
        "english|german|french|spanish|italian|portuguese|russian|chinese|mandarin|japanese|korean|dutch|polish|arabic|turkish|hindi|\
         greek|swedish|ukrainian|vietnamese|englisch*|franzosisch*|spanisch*|italienisch*|polnisch*|turkisch*|anglais*|allemand*|\
         espagnol*|italien|ingles|aleman|frances|holandes|italiano|japones|alemao|inglese|tedesco|francese|spagnolo|английск*|\
         немецк*|французск*|испанск*|итальянск*",
    ),
    row(
        "to sum up",
        DocumentAnalysis,
        Ask,
        5.0,
        "summar*|tldr|tl;dr|key points|main points|key takeaways|bullet points|sum up|zusammenfass*|fasse|fass|zusammen|resum*|\
         synthese|synthetis*|riassum*|riassunto|sintesi|sintetizz*|resumo|resuma|samenvat*|streszcz*|stresc|podsumuj|кратко|\
         изложи*|резюм*|подведи итог|总结|總結|摘要|概括|归纳|要約|まとめて|要点|요약|정리해",
    ),
    row(
        "to take out data",
        DocumentAnalysis,
        Ask,
        4.5,
        "extract*|pull the|pull out|classify|categorize|categorise|cluster|sentiment|tag each|list all the|extrahier*|zieh mir|\
         klassifizier*|auslesen|extrai*|extraye*|extrae*|clasific*|classific*|classifi*|estra*|extrah*|wyodrebnij|извлек*|выпиши|\
         классифиц*|提取|抽取|分类|抽出|分類|추출|분류",
    ),
    row(
        "a document",
        DocumentAnalysis,
        Ask,
        1.75,
        "document|documents|contract|clause|clauses|report|reports|article|invoice|pdf|attached|attachment|uploaded|minutes|\
         transcript|paper|abstract|lease|policy|agreement|spreadsheet|meeting notes|press release|chapter|excerpt|passage|tickets|\
         reviews|drafts|table|dokument*|vertrag*|klausel*|bericht*|artikel|rechnung|anhang|angehangt*|schreiben|protokoll|gutachten|\
         angebot|contrat|rapport|compte rendu|facture|ci-joint*|piece jointe|contrato|clausula*|informe|factura|adjunt*|acta|\
         articulo|artigo|anexo|relatorio|ata|fatura|documento|contratto|allegat*|verbale|relazione|fattura|articolo|testo|clausola|\
         文档|文檔|文件|合同|报告|報告|文章|附件|发票|论文|会议记录|資料|文書|契約|報告書|添付|議事録|記事|論文|документ*|\
         договор*|отчет*|стать*|приложен*|протокол*|письм*|문서|계약*|보고서|첨부|기사|회의록|tekst*|dokument|umow*",
    ),
    row(
        "a literary form",
        CreativeWriting,
        Thing,
        3.0,
        "poem|poems|poetry|haiku|limerick|sonnet|story|stories|short story|bedtime story|tale|fairy tale|novel|novella|lyrics|song|\
         screenplay|dialogue|monologue|speech|toast|eulogy|slogan|slogans|tagline|blurb|blog post|character|characters|verse|verses|\
         riddle|joke|jokes|scene|fiction|fanfic*|plot|rap|ballad|ad copy|gedicht*|geschichte|gutenachtgeschichte|kurzgeschichte|\
         marchen|erzahlung|roman|rede|liedtext|lied|slogans|witz|dialog|poeme|poemes|nouvelle|histoire|conte|chanson|discours|\
         slogan|recit|poesie|poema|poemas|cuento|relato|historia|cancion|letra|discurso|guion|dialogo|conto|historia|cancao|musica|\
         poesia|racconto|storia|filastrocca|favola|fiaba|canzone|discorso|gedicht|verhaal|sinterklaasgedicht|liedje|wiersz*|\
         opowiadani*|bajk*|piosenk*|стих*|стихотворени*|рассказ*|сказк*|песн*|поэм*|тост|сценарий|诗|詩|故事|小说|小說|歌词|歌詞|\
         散文|童话|剧本|台词|对联|俳句|短歌|小説|物語|童話|脚本|台本|시를|동화|소설|이야기|가사|노래",
    ),
    row(
        "to invent",
        CreativeWriting,
        Ask,
        2.5,
        "invent|retell|make up a|tell me a story|d&d|dungeons and dragons|campaign|villain|noir|as if you were|in the style of|in the voice of|describe a|valentine*|greeting card|card text|vows|birthday message|make it funnier|make it sadder|make it darker|erzahl mir|raconte|raconte-moi|cuentame|conta-me|raccontami|sei un|du bist ein|tu es un|eres un|расскажи историю|имя и биограф*|злоде*|come up with|imagine|continue this|continue the story|stay in character|in character|roleplay|role-play|\
         role play|pretend|text adventure|narrator|you're a|creative|rewrite the opening|erfinde|erfind|denk dir|stell dir|dichte|\
         reime|imagine|invente|inventa|inventate|imagina|inventate|immagina|сочини|придумай|выдумай|представь|编一个|编个|\
         想象|扮演|創作|想像|なりきって|지어*|상상|verzin|wymysl",
    ),
    row(
        "tone and form",
        CreativeWriting,
        Ask,
        1.5,
        "rhyme*|rhyming|funny|humor|humour|humorous|melanchol*|witty|wordplay|stanza*|first person|cheeky|whimsical|vivid|tone|\
         strophe*|ironisch|witzig|frech|reim*|alexandrin*|rimas|rime|humor|emotivo|divertente|horror|science-fiction|押韵|风格|\
         主角|主人公|テーマ|ユーモア|рифм*|пафос*|주제",
    ),
    row(
        "to calculate or prove",
        Math,
        Ask,
        4.5,
        "solve for|solve the|solve|integral|integrate|derivative|differentiate|prove|prove that|proof|probability|equation|equations|\
         determinant|eigenvalue*|eigenvector*|theorem|lemma|square root|compute|calculate|show that|convergent|converge*|diverge*|\
         matrix|polynomial|logarithm|percent of|compounded|dice|factorial|prime number*|geometry|triangle|hypotenuse|\
         berechne*|ableitung|beweis*|wahrscheinlichkeit|gleichung*|losung der|lose die|stammfunktion|dreieck*|resous|calcule*|\
         demontre*|derivee|integrale|equation|probabilite|resuelve|calcula|calcular|derivada|probabilidad|ecuacion|demuestra|\
         resolve a|resolva|equacao|probabilidade|calculo|calcola|risolvi|derivata|equazione|dimostra|probabilita|triangolo|area del|coin flip*|coin flips|expected number|expected value|inverse of|arithmetic sequence|geometric sequence|how many ways|permutation*|combinations|circumference|radius|remainder|gcd|limit of|simplify|factor the|modulo|standard deviation|等差|等比|数列|余数|周长|半径|数列の|剰余|\
         вычисли*|посчитай|реши|решите|производн*|интеграл*|уравнени*|докажи*|вероятност*|求|计算|解方程|方程|导数|积分|证明|概率|\
         极值|面积|計算|方程式|微分|積分|証明|確率|解いて下さい|解いてください|계산|방정식|미분|적분|증명|확률|합을|bereken|oblicz|rozwiaz|udowodnij",
    ),
    row(
        "to make",
        General,
        Make,
        0.0,
        "write|create|make|generate|give me|i need|i want|need a|build|add|set up|draft|develop|design|compose|continue|rewrite|\
         schreib|schreibe|schreiben|erstell*|mach|machen|baue|bau|brauche|entwirf|generier*|entwickl*|verfass*|ecris|ecrire|ecrivez|\
         cree|creer|genere|redige|ajouter|j'ai besoin|fais|fais-moi|compose|escribe|escribeme|haz|hazme|crea|genera|necesito|redacta|\
         escreve|escreva|cria|crie|faz|faca|gera|preciso|scrivi|scrivimi|creami|fammi|mi serve|schrijf|maak|napisz|stworz|напиши|\
         написать|создай|сделай|нужен|нужна|нужно|сгенерируй|写|寫|编|生成|帮我|做一个|创建|書い|書き|作っ|作成|作り|써 줘|써줘|\
         작성|만들*",
    ),
];
