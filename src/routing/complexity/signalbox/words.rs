//! The words that tell something about a request, and a table to find them in.
//!
//! Every list answers one question about the work that is asked for. The words are chosen for what they mean, not by what a
//! regression liked: a list that was fitted to one benchmark reads like that benchmark's subjects. English is covered best;
//! a few words of other languages keep their plain cases apart. Chinese and Japanese words have two characters here,
//! because [`super::text`] looks up pairs there.
//!
//! The compiler builds the table, so that a request finds it ready: open addressing by the word's hash, at most half full.
//!
//! **Invariant:** a word's hash is [`step`] over its lower-case UTF-8 bytes, here and in `text`.

/// What a word is a sign of. A word may be a sign of several things: the number of a list is the bit of its mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Relation,
    Proportion,
    Change,
    Sequence,
    Condition,
    Number,
    Recall,
    Task,
    Deliberation,
    Code,
    CodeHint,
    Prose,
    Demand,
}

/// How many signs there are.
pub(super) const SIGNS: usize = 13;

/// Two things held against each other, and their relation.
const RELATION: &str = "than as same equal equals equally different difference differ differs between both together combined \
    other others another more less fewer greater higher lower larger smaller longer shorter faster slower older younger \
    heavier lighter taller cheaper better worse closer farther further earlier later greatest highest lowest largest \
    smallest longest shortest most least similar versus vs relative compared compare compares comparison exceed exceeds \
    opposite adjacent beside behind brother brothers sister sisters father mother son daughter \
    als mehr weniger zwischen gleich unterschied vergleiche größer kleiner älter jünger plus moins entre égal différence \
    comparer más menos igual diferencia comparar mayor menor mais diferença più meno differenza больше меньше между \
    разница сравни 比较 相同 大于 小于 之间 比べ 違い";

/// Quantities given by other quantities: no single multiplication gets past these.
const PROPORTION: &str = "twice half halves double doubled doubles triple tripled thrice times third thirds quarter quarters \
    fifth sixth tenth ratio ratios proportion proportional inversely average mean remaining remainder percent \
    percentage rate rates fraction sum product divided multiplied \
    doppelt halb hälfte drittel viertel prozent verhältnis durchschnitt moitié tiers pourcent moyenne mitad doble \
    porcentaje promedio metade dobro metà doppio половина вдвое процент 一半 平均 倍数 比例 半分 割合";

/// What moves what, which way, and why.
const CHANGE: &str = "increase increases increased increasing decrease decreases decreased decreasing rise rises rising fall \
    falls falling drop drops gain gains lose loses lost change changes changed shift shifts reduce reduces reduced grow \
    grows grew raise raises raised slow slows cause causes causing affect affects effect because therefore thus hence why \
    result results \
    warum weshalb weil steigt sinkt ändert ursache folge pourquoi parce augmente diminue porqué porque aumenta disminuye \
    perché почему потому растёт 为什 什么 因为 所以 增加 减少 なぜ 増え 減る";

/// Events in an order: the state before each has to be kept in mind.
const SEQUENCE: &str = "when first then before after now while until during second next finally already still again once \
    initially originally last ago meanwhile soon since afterwards subsequently previously eventually begins began starts \
    started stops stopped yesterday tomorrow \
    zuerst dann danach bevor während nachdem gestern morgen schließlich puis avant après pendant ensuite hier demain \
    luego antes después mientras ayer depois prima dopo poi сначала потом затем вчера завтра 首先 然后 之前 之后 最后 \
    まず 次に 最後";

/// Cases, exceptions and negations: the answer holds only where these do.
const CONDITION: &str = "if unless provided suppose supposing assume assuming assumes given would could whether otherwise \
    although though however despite even only except not neither nor without never none but either must cannot unlikely \
    always any \
    wenn falls obwohl nicht ohne weder außer angenommen sofern si sauf sans aucun ni aunque sin excepto ninguno salvo senza \
    если кроме без 如果 假设 除非 但是 没有 もし ただ";

/// Numbers in words.
const NUMBER: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty forty \
    fifty sixty hundred thousand million billion dozen pair couple zero \
    zwei drei vier fünf sechs sieben acht neun zehn zwölf hundert tausend deux trois quatre cinq sept huit neuf dix cent dos \
    tres cuatro cinco seis siete ocho nueve diez cien due tre quattro sei sette otto nove dieci два три четыре пять шесть \
    семь десять сто";

/// A fact or a name to be remembered, or a courtesy: what a small model has learnt as well.
const RECALL: &str = "who whom where named called known term define defined definition founder famous capital refers \
    means meaning hello hi hey thanks thank bye goodbye okay yes \
    wer wo hauptstadt hallo danke bedeutet qui où capitale bonjour merci signifie quién dónde hola gracias significa \
    quem onde olá obrigado chi dove ciao grazie кто где столица привет спасибо 谁是 首都 你好 谢谢 こん 首都 です";

/// Work with a result that is right or wrong: to be calculated, proved, designed, found out.
const TASK: &str = "calculate compute solve prove proof derive determine find evaluate estimate probability equation \
    equations integral derivative maximum minimum optimal optimize theorem simplify factor polynomial integer integers \
    divisible triangle circle radius area volume vertices design architecture distributed scalable debug fix logical \
    logically valid invalid consistent premise premises argument puzzle complexity vulnerabilities \
    berechne berechnen löse beweise beweis bestimme wahrscheinlichkeit gleichung fläche entwirf calcule calculez résous \
    démontre démontrer montre probabilité équation aire calcula resuelve demuestra probabilidad ecuación demonstre \
    probabilidade equação calcola risolvi dimostra probabilità equazione вычисли реши докажи доказать вероятность \
    уравнение 计算 证明 求解 概率 方程 設計 设计 計算 求め 確率 解き";

/// The wish that the answer be thought through.
const DELIBERATION: &str = "reason reasoning step steps stepwise carefully analyze analyse analysis consider weigh pros \
    cons deduce infer conclude justify rigorous thoroughly \
    schritt begründe sorgfältig analysiere étape raisonnement analysez paso razona analiza passo ragiona analizza шаг \
    обоснуй проанализируй 分析 推理 步骤 推論 説明";

/// Programs.
const CODE: &str = "code python java javascript typescript golang kotlin php perl bash sql html css regex regexp function \
    functions array arrays algorithm algorithms program implement implements implementation compiler recursion recursive \
    api apis database json yaml git docker kubernetes backend frontend \
    funktion programm programmiere algorithmus fonction algorithme función algoritmo programa função funzione функция \
    функцию функции алгоритм программу код 函数 算法 代码 编程 程序 数组 関数 配列";

/// Words of everyday life that mean programming only in company: two of them count as one of [`CODE`].
const CODE_HINT: &str = "class method return import const def var int void null string strings loop tree graph queue stack \
    thread pointer hash cache binary query script shell server bug exception error errors expression regular compile rust \
    ruby swift async xml schema indexing endpoint library table latency throughput memory";

/// Texts that are written to please: every model writes them well, and nobody can say that one is wrong.
const PROSE: &str = "poem poems poetry story stories novel blog email letter haiku song lyrics speech joke jokes essay \
    paragraph pretend roleplay imagine character persuasive creative invitation tale advertisement slogan dialogue \
    headline yourself \
    gedicht geschichte brief witz poème histoire lettre blague poema cuento carta chiste história storia lettera \
    стихотворение рассказ письмо шутку 诗歌 首诗 故事 小说 笑话 物語 手紙";

/// What the answer has to look like.
const DEMAND: &str = "csv json table format list columns column sentence sentences words bullet bullets exactly include \
    includes including ensure should output answer extract identify count sort rank following yyyy markdown";

const LISTS: [&str; SIGNS] = [
    RELATION,
    PROPORTION,
    CHANGE,
    SEQUENCE,
    CONDITION,
    NUMBER,
    RECALL,
    TASK,
    DELIBERATION,
    CODE,
    CODE_HINT,
    PROSE,
    DEMAND,
];

/// Where a word's hash begins (FNV-1a).
pub(super) const SEED: u32 = 0x811c_9dc5;

/// The hash with one more byte.
pub(super) const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(0x0100_0193)
}

const SLOTS: usize = 2048;

/// A hash and its signs; no signs is an empty slot.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    signs: u16,
}

static TABLE: [Slot; SLOTS] = table();

/// The signs of a word, by its hash: bit 0 is the first of [`Sign`].
pub(super) fn signs(hash: u32) -> u16 {
    let mut at = hash as usize % SLOTS;
    while let Some(slot) = TABLE.get(at).filter(|slot| slot.signs != 0) {
        if slot.hash == hash {
            return slot.signs;
        }
        at = (at + 1) % SLOTS;
    }
    0
}

// Evaluated by the compiler alone: what would panic does not build.
#[allow(clippy::indexing_slicing)]
const fn table() -> [Slot; SLOTS] {
    let mut table = [Slot { hash: 0, signs: 0 }; SLOTS];
    let (mut list, mut used) = (0, 0);
    while list < SIGNS {
        let bytes = LISTS[list].as_bytes();
        let (mut at, mut hash) = (0, SEED);
        while at <= bytes.len() {
            if at == bytes.len() || bytes[at] == b' ' {
                if hash != SEED {
                    let mut slot = hash as usize % SLOTS;
                    while table[slot].signs != 0 && table[slot].hash != hash {
                        slot = (slot + 1) % SLOTS;
                    }
                    used += (table[slot].signs == 0) as usize;
                    table[slot] = Slot { hash, signs: table[slot].signs | 1 << list };
                }
                hash = SEED;
            } else {
                hash = step(hash, bytes[at]);
            }
            at += 1;
        }
        list += 1;
    }
    assert!(used * 2 <= SLOTS, "the table is too full");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(word: &str) -> u16 {
        signs(word.bytes().fold(SEED, step))
    }

    #[test]
    fn every_word_is_found_under_its_signs() {
        for (number, list) in LISTS.iter().enumerate() {
            for word in list.split(' ').filter(|word| !word.is_empty()) {
                assert_ne!(of(word) & 1 << number, 0, "{word}");
                assert_eq!(word, word.to_lowercase());
            }
        }
        assert_eq!(of("json"), 1 << Sign::Code as u16 | 1 << Sign::Demand as u16);
        for stranger in ["", "the", "zebra", "moon", "poemx", "提示"] {
            assert_eq!(of(stranger), 0, "{stranger}");
        }
    }

    #[test]
    fn no_two_words_share_a_hash() {
        let mut words: Vec<&str> = LISTS.iter().flat_map(|list| list.split(' ')).collect();
        words.sort_unstable();
        words.dedup();
        let mut hashes: Vec<u32> = words.iter().map(|word| word.bytes().fold(SEED, step)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), words.len());
    }
}
