//! The words by which providers name a failure: their codes and types, and their wordings, a list for each class.
//!
//! Codes are letters and digits alone, in lower case: `DataInspectionFailed` and `data_inspection_failed` are one. They are searched
//! for as parts, since providers compose them. Wordings are [`super::phrases`].
//!
//! **Invariant:** data only; what outranks what is decided in [`super::judge`].

/// The codes and wordings of one kind of failure.
pub struct Words {
    /// Parts of codes, with spaces between them.
    pub codes: &'static str,
    /// Parts of codes that have nothing to do with it though one of `codes` is in them.
    pub except: &'static str,
    /// Wordings.
    pub wordings: &'static [&'static str],
}

/// The account has no money, no allowance or no standing.
pub const ACCOUNT: Words = Words {
    codes: "insufficientquota insufficientbalance insufficientcredit insufficientfund insufficientuserquota notenoughbalance \
            notenoughcredit outofcredit creditbalance creditlimit creditsexhausted nocredits billing billoverdue arrear overdue \
            pastdue spendlimit spendinglimit spendcap usagelimit budgetexceeded exceededbudget paymentrequired paymentmethod \
            currentquota freetier freequota packexhausted commoditynotpurchased subscriptionexpired planexpired trialexpired \
            servicequotaexceeded dailylimit monthlylimit weeklylimit perday permonth accountdeactivated accountsuspended \
            accountdisabled accountinactive accountlocked accountblocked accountbanned organizationrestricted organizationdisabled \
            organizationsuspended organizationdeactivated consumersuspended projectsuspended userdeactivated usersuspended",
    except: "invalidbilling",
    wordings: &[
        "insufficient|not enough|no remaining|no sufficient .. balance|credit|fund|quota",
        "insufficient_quota|insufficient_balance|billing_hard_limit|insufficient account balance",
        "balance|credits|credit balance .. too low|insufficient|not enough|not sufficient|depleted|exhausted|negative|used up|ran out|run out|expired",
        "credit .. exhausted|depleted|used up|expired",
        "any credits|no credits left|no credits remaining|no credits available|have no credits|without credits|out of credit|out of funds|run out of|ran out of credit",
        "used all .. credit|quota|allowance|tokens|available",
        "exhausted|used up|consumed .. credit|balance|free tier|free quota|free allowance|free trial|allowance|monthly",
        "requires more credits|need more credits|needs more credits|purchase credits|buy credits|add credits|add more credits",
        "can only afford",
        "prompt tokens limit exceed",
        "monthly included credits|included credits",
        "payment required|payment is required|requires payment|payment method required|valid payment method|payment failed",
        "past due|overdue|unpaid|in arrears|arrearage|delinquent|outstanding balance|outstanding payment|failed payment|failure to pay",
        "recharge|top up",
        "billing .. not active|inactive|disabled|hard limit|not enabled|be enabled|suspended|not been|not set up|is required|issue|problem|details are",
        "enable billing|set up billing|billing account",
        "check your plan and billing|check plan and billing",
        "spend limit|spending limit|spending cap|spend cap|spending quota|credit limit",
        "usage limit|usage cap|usage allowance|usage quota",
        "monthly|weekly|daily .. limit|quota|cap|allowance|budget .. exceed|reached|hit|exhausted|used",
        "exceed|reached|hit|exhausted .. monthly|weekly|daily .. limit|quota|cap|allowance|budget|usage|request",
        "budget .. exceed|exhausted|reached",
        "exceed|over .. budget",
        "key limit exceed",
        "api key .. reached|exceed .. limit|quota|budget",
        "call volume quota",
        "quota exhausted|quota used up|quota is used|quota has been used",
        "free tier|free quota|free trial|trial|free plan .. exhausted|ended|expired|used up|over|exceed",
        "subscription|plan|package|membership .. expired|inactive|not active|has ended|cancelled|canceled|lapsed",
        "membership benefits",
        "have not purchased|has not purchased|not been purchased",
        "account|organization|organisation|workspace|consumer|project|tenant|your team|this team|subscription .. is|are|been|was|got|state|status .. suspended|disabled|deactivated|restricted|banned|terminated|inactive|not active|locked|frozen|closed|on hold|delinquent|blocked|flagged|under review|deleted|archived",
        "account suspended|account disabled|account deactivated|account inactive|account not active|account locked|account blocked|account banned|account frozen|account overdue|organization suspended|organization disabled|organization restricted|project suspended",
        "access terminated|access has been terminated|access revoked",
        "account .. good standing",
        "欠费|余额不足|余额为|账户余额|充值|额度不足|额度已用|额度用尽|额度已用尽|配额已用|免费额度|套餐已到期|未购买",
        "余额|额度|配额 .. 不足|用尽|耗尽|用完",
        "账户|账号|帐户|帐号 .. 锁定|禁用|封禁|冻结|停用|非活动|封停|异常",
        "达到|超过|超出|已达 .. 今日|当日|每日|每周|每月|本月",
        "今日|当日|每日|每周|每月|本月 .. 限额|上限|额度|次数",
    ],
};

/// What is left pays for a smaller request.
pub const AFFORDS_LESS: &[&str] = &[
    "can only afford|only enough for",
    "fewer|lower|smaller|less|reduce .. max_tokens|max tokens|output tokens|completion tokens",
    "prompt tokens limit exceed",
    "shorten|reduce .. prompt|length|size|context",
    "this request|your request .. would cost|would exceed",
    "estimated|maximum|projected|request cost .. exceed|greater|higher|more than",
];

/// Nothing is left.
pub const AFFORDS_NOTHING: &[&str] = &["can only afford 0|afford 0 |only enough for 0"];

/// An allowance that is used up, where nobody calls it a rate.
pub const ALLOWANCE: &[&str] = &[
    "quota|allocation|allowance .. exceed|reached|exhausted|used up",
    "exceed|reached|used up|exhausted .. quota|allocation|allowance",
];

/// A limit of a day or a longer time; it counts where it is named before a shorter one.
pub const LONG: &[&str] = &[
    "per day",
    "perday",
    "per-day",
    "/day",
    "/ day",
    "a day",
    "rpd",
    "tpd",
    "daily",
    "per week",
    "weekly",
    "/week",
    "/ week",
    "per month",
    "monthly",
    "/month",
    "/ month",
    "byday",
    "by day",
    "calls a month",
    "per-month",
];

/// A limit of a minute or a shorter time.
pub const SHORT: &[&str] = &[
    "per min",
    "perminute",
    "permin",
    "per-min",
    "/min",
    "/ min",
    "a minute",
    "rpm",
    "tpm",
    "per second",
    "persecond",
    "/ second",
    "/sec",
    "/s ",
    "qps",
    "tps",
    "rps",
    "per hour",
    "concurren",
];

/// The provider refuses the content.
pub const POLICY: Words = Words {
    codes: "contentfilter contentpolicy responsibleaipolicy datainspection sensitivecontent sensitiveword sensitiveinfo \
            inputsensitive outputsensitive contentsecurity riskdetection riskcontrol moderation moderated safetysystem safetyerror \
            safetyviolation safetypolicy safetycheck promptblocked contentblocked blockedcontent blockedprompt prohibitedcontent \
            guardrail policyviolation violatescontent unsafecontent contentviolation flaggedcontent contentflagged imagesafety \
            contentrisk contentunsafe inappropriate usagepolicy cyberpolicy",
    except: "identifier setting parameter notfound datapolicy invalidmoderation",
    wordings: &[
        "content policies|content management policy|content polic",
        "code .. content_filter|content_policy",
        "content filter|content safety|content moderation|content security|content inspection",
        "filtered due|was filtered|been filtered|blocked content|blocked input|blocked output|blocked prompt|toxic",
        "output|response|completion|prompt|input|content|request|message|image .. blocked by|blocked due|was blocked|been blocked|is blocked .. content|safety|polic|filter|moderation|guardrail|prohibit|harm",
        "safety system|safety filter|safety polic|safety guideline|safety check|safety reason|safety concern|safety guard|safety polices",
        "violat .. polic|guideline|terms|safety|content|acceptable use|rules",
        "policy violation|aup violation",
        "against .. usage polic|content polic|our polic|terms of|community guidelines",
        "prompt|input|content|request|message|output|text|image .. flagged|moderat|inappropriate|harmful|unsafe|high risk|prohibited|sensitive|illegal content|illegal activit|offensive|not safe|nsfw|risky",
        "flagged|rejected|refused|blocked|denied .. moderat|safety|inappropriate|harmful|unsafe|sensitive|prohibited|abusive|content policy|policy reason",
        "potentially|may contain|contain|contains|containing .. inappropriate|harmful|unsafe|sensitive|prohibited|nsfw|sexual|violent content|disallowed|restricted content|illegal content",
        "content exists risk",
        "responsible ai",
        "guardrail .. interven|block|violat|trigger",
        "new_sensitive|input sensitive|output sensitive|sensitive information|sensitive content|sensitive words",
        "prohibited_content|prohibited content|disallowed content",
        "data_inspection|data inspection",
        "敏感|违规|违法|不安全|审核|不合规|风险内容|内容风险|安全策略|内容安全|风控",
    ],
};

/// The credentials are wrong.
pub const AUTH: Words = Words {
    codes: "invalidapikey incorrectapikey apikeyinvalid apikeyexpired apikeynotfound apikeyrevoked apikeydisabled missingapikey \
            apikeymissing invalidkey invalidauth authenticationerror authenticationfail authenticationrequired autherror \
            authfailed authfailure unauthenticated unrecognizedclient invalidclienttoken invalidsignature incompletesignature \
            signaturedoesnotmatch missingauthentication expiredtoken tokenexpired invalidtoken invalidaccesstoken \
            accesstokenexpired invalidcredential invalidbearer ipnotauthorized",
    except: "positions",
    wordings: &[
        "api key|x-api key|access key|secret key|apikey|accesskey|subscription key .. invalid|not valid|is not correct|incorrect|expired|revoked|not found|missing|disabled|deactivated|deleted|leaked|is required|malformed|does not exist|not exist|no longer|is wrong|inactive|not active|not provided|not recognized|not match|unauthorized|not registered|无效|错误|过期|不存在|失效",
        "invalid|incorrect|expired|revoked|missing|wrong|unknown|no|not valid|bad|unrecognized|malformed|inactive|disabled .. api key|x-api key|access key|secret key|subscription key",
        "provide an api key|provide api key|provide valid api key|pass valid api key|valid api key|api key was reported",
        "invalid api token|invalid token|invalid access token|invalid bearer|invalid auth token|invalid auth header|invalid authentication|invalid authorization|invalid credential|invalid jwt",
        "token|credentials|jwt .. is invalid|is expired|has expired|have expired|was revoked|been revoked|is missing|is not valid|not valid",
        "token expired|expired token|token invalid",
        "authentication failed|authentication failure|authentication error|authentication required|authentication fails|authentication credentials|failed authentication|failed to authenticate|could not authenticate|unable to authenticate|not authenticated|unauthenticated",
        "could not validate credentials|no auth credentials|no credentials|missing credentials|missing authentication|missing authorization|no authorization|authorization header",
        "signature does not match|signature we calculated|signature expired|signature has expired|request signature|signature mismatch",
        "security token",
        "requires authentication|login required|please log in|please login",
        "身份验证|鉴权失败|鉴权|令牌 .. 失败|无效|过期|错误|非法",
    ],
};

/// Tokens that are no credentials.
pub const NO_CREDENTIAL: &[&str] =
    &["json|unexpected|position|character|parse|logit|token id|token ids|tokenizer|line"];

/// What begins like a refused key but is about rights.
pub const RIGHTS: &[&str] = &[
    "api key .. not have permission|not have access|not authorized|not allowed|lacks|insufficient permission|not permitted|no permission",
];

/// Too many requests or tokens for now.
pub const RATE: Words = Words {
    codes: "ratelimit ratequota toomanyrequests throttl resourceexhausted requestlimitexceeded limitrequests limitburst burstrate \
            concurrency concurrentlimit tpmlimit rpmlimit qpslimit qpsoverflow setlimitexceeded requestsperminute tokensperminute",
    except: "ratelimitedfield",
    wordings: &[
        "request rate .. exceed|too high|limit",
        "rate limit|ratelimit|rate_limit|rate-limited|rate exceed|slow down",
        "too many requests|too many concurrent|too many connections|too many tokens, please wait|too many simultaneous",
        "concurrency|concurrent|parallel request|simultaneous .. limit|exceed|maximum|too many|max|reached|quota",
        "exceed|reached|too many|maximum .. concurrency|concurrent|parallel requests|simultaneous",
        "throttl",
        "requests per minute|tokens per minute|requests per second|requests per min|tokens per min|per minute limit|requests/min|qps request limit",
        "exceed .. tpm|rpm|qps|token rate",
        "tpm|rpm|qps|tps|token rate|request rate .. exceed|limit",
        "请求过于频繁|频率过高|频率|并发 .. 过高|限制|超|限|频繁",
        "请求过多|限流|流量限制|速率限制|请求频繁",
    ],
};

/// The prompt is longer than the model's window.
pub const CONTEXT: Words = Words {
    codes: "contextlengthexceeded contextlengtherror contextwindowexceeded contextwindowerror contextoverflow contexttoolong \
            contextlimitexceeded exceedcontext exceedscontext exceededcontext maxcontextlength contextsize inputtoolong \
            inputtoolarge prompttoolong tokenstoolong characterstoolong messagetoolong messagestoolong inputlengthexceeded \
            inputtokensexceeded maxtokensexceeded requesttoolarge payloadtoolarge entitytoolarge contenttoolarge \
            promptlengthexceeded",
    except: "image file audio video",
    wordings: &[
        "context_length_exceeded|context_window_exceeded|context length exceed|context window exceed|context limit exceed|context overflow",
        "exceed|over|beyond .. context length|context window|context limit|context size|maximum context|max context|model context|available context|context_length|context of",
        "context|context length|context window .. exceed|overflow|too long|too large|is full",
        "maximum context length|max context length|context length is|context window is|context size is",
        "context length of .. token",
        "than .. context length|context window|context size|context limit|maximum model length|max model length|model maximum length|max_model_len",
        "maximum prompt length|maximum input length|maximum model length|max model length|max_model_len|max_seq_len|maximum sequence length|max sequence length|max input length",
        "prompt|input|inputs|request|messages|conversation|query|token length|chat history|text|content|history .. too long|too large for model|is longer than|longer than model|over length",
        "prompt too long|input too long|too many input tokens|too many prompt tokens",
        "prompt|inputs|input token|input length|input size|input text|prompt token|prompt length|token count|messages|conversation|total tokens|total number of tokens|number of tokens|number of input tokens|total token|input .. exceed .. max|limit|length|token|context|model",
        "your request|request|query .. exceed .. token|context|length of|maximum length|model token|model limit",
        "input tokens|prompt tokens|requested tokens|tokens requested|requested token count|total tokens|total number of tokens|number of tokens .. more than|greater than|larger than|higher than|above|can not exceed|must not exceed|must be less|should be less|exceed",
        "exceed .. token limit|maximum number of tokens|number of tokens allowed|maximum tokens allowed|input tokens|prompt tokens|input token limit|token length|maximum allowed input|maximum input|max input|input limit",
        "token limit exceed|tokens limit exceed|token limit of|maximum token limit|max token limit|model token limit|tokens exceed|tokens in prompt",
        "input token count .. only supports|supports up to",
        "too many tokens|too much input|too many characters|tokens too long",
        "inputs .. must have less than|must be less than .. token",
        "tokens + max_new_tokens",
        "reduce .. length|size|number .. of messages|of input|of prompt|of your|of either|of request|of conversation|of message|of text|of context",
        "reduce|shorten .. your prompt|your input|your messages|message size|prompt length|input length|prompt size|the prompt|prompt;|conversation history|your request",
        "current length is .. while limit is",
        "range of input length",
        "input length should|input length must|max input characters|maximum input characters",
        "request payload size|request body|request entity|request size|payload|body .. exceed|too large|too big",
        "request exceed maximum size",
        "上下文 .. 超|长度|过长|限制|最大",
        "超长|过长|长度超|输入长度",
        "输入|prompt|token|tokens|文本|请求长度 .. 超过|超出|超限",
    ],
};

/// A sentence about what is to come out, not about what went in.
pub const OUTPUT: &[&str] = &[
    "max_tokens|max tokens|maxoutputtokens|max_output_tokens|max_completion_tokens|max_new_tokens|maximum tokens|completion tokens|output tokens|maximum output|max output",
];

/// What makes a sentence be about the prompt all the same.
pub const INPUT: &[&str] = &["context|prompt|input|inputs|messages|total"];

/// A sentence about something other than text.
pub const MEDIA: &[&str] = &["image|images|audio|video|file|files|document|pdf|attachment|photo|picture|pages|url"];

/// The model or deployment is not there.
pub const MODEL: Words = Words {
    codes: "modelnotfound modelnotexist modeldoesnotexist modelnotavailable modelnotsupported modelnotopen modelunsupported \
            modeldecommissioned modeldeprecated modelretired modelremoved modeldisabled modelinvalid invalidmodel unknownmodel \
            unsupportedmodel nosuchmodel deploymentnotfound deploymentdoesnotexist enginenotfound invalidendpointormodel \
            closedendpoint resourcenotfound notfounderror unknownoperation",
    except: "modeloutput modelparameter modelresponse modelinput modelarg",
    wordings: &[
        "model|models|deployment|engine .. not exist|does not exist|not found|can not be found|could not be found|could not be loaded|not a valid|is invalid|is not valid|not recognized|unrecognized|decommissioned|deprecated|retired|no longer|discontinued|sunset|shut down|end of life|end of its life|end-of-life|been removed|was removed|is not available|not available|not supported|is unsupported|not deployed|not loaded|not been activated|not activated|not enabled|has been disabled|is disabled|is offline|been taken offline|不存在|已下线|下线|未开通|不支持|不可用",
        "no such model|no such deployment|unknown model|invalid model|unsupported model|unrecognized model|model not exist|model identifier|not a valid model|not valid model|wrong model|nonexistent model|unable to find model|could not find model|can not find model|no model|model disabled|model offline|models disabled",
        "on-demand throughput",
        "no longer available|been retired|been decommissioned|been sunset",
        "does not have access to model|do not have access to model|no access to model",
        "no endpoints found for",
        "tool choice .. requires --enable-auto-tool-choice|requires --tool-call-parser",
        "找不到模型|模型名称错误",
    ],
};

/// What a model lacks, or what else is between it and its absence.
pub const NOT_THE_MODEL: &[&str] = &[
    "model|models .. parameter|feature|tool|image|audio|video|input|output|value|streaming|function|format|field|mode|temperature|role|content|schema|option|system|message|argument|property|json|schema|top_p|logprobs|reasoning|thinking|effort|search|penalty|token|parameters|modality|modalities|vision .. not exist|not found|not valid|is invalid|not available|not supported|unsupported|not enabled|is disabled|不支持",
    "parameter|feature|tool|tools|image|images|audio|video|value|streaming|function|format|field|temperature|role|schema|argument|property .. not supported|is invalid|not available|unsupported|not valid|no longer supported .. model|by model|with model|for model",
    "invalid model param|invalid model arg|invalid model input|invalid model output|invalid model response|unsupported model param",
    "unsupported parameter|unsupported value|unknown parameter|unrecognized request argument|invalid value|unsupported field|extra inputs",
];

/// The model is there, but cannot call tools.
pub const NO_TOOLS: &[&str] = &[
    "tool choice .. requires --enable-auto-tool-choice|requires --tool-call-parser",
    "tools param requires --jinja",
    "not support|no endpoints found that support .. tool|function call|functions",
    "tools|tool use|tool calls|tool calling|function calling .. not supported|not enabled|is unsupported|are unsupported",
];

/// It cannot read images.
pub const NO_IMAGES: &[&str] = &[
    "not support|no endpoints found that support .. image|vision|multimodal|multi-modal",
    "image input|image inputs|images|image content|vision .. not supported|not enabled|is unsupported|are unsupported",
    "at most 0 image|not multimodal model|missing data required for image",
];

/// It cannot be told whether to think.
pub const NO_THINKING: &[&str] = &["not support .. thinking"];

/// A sentence about a part of that.
pub const A_PART: &[&str] =
    &["choice '|this tool choice|requested tool choice|parallel|strict|tools[|tools.|type|parameter|schema|format|url"];

/// It cannot do something else that the request asks for, or did not succeed in it.
pub const LACKING: &[&str] = &[
    "no endpoints found that support|no endpoints found that can handle|no endpoints support",
    "no endpoints found|no provider .. support|can handle",
    "not support .. audio|video|document|file input|files|pdf|chat|embed|stream|json_schema|json schema|json mode|response format|response_format|structured|system|completions",
    "audio input|video input|documents|structured outputs|streaming|response_format|response format|system role|system prompt|system message .. not supported|not enabled|is unsupported|are unsupported",
    "unsupported for streaming|operation does not work with|is enabled only for api|this action does not support",
    "failed to call function|failed to generate json|tool call validation failed",
];

/// The credentials are good, but may not do this.
pub const RIGHT: Words = Words {
    codes: "permissionerror permissiondenied accessdenied forbidden unsupportedcountry insufficientpermission servicedisabled \
            notauthorized apikeyserviceblocked nopermission regionnotsupported countrynotsupported failedprecondition",
    except: "extraforbidden",
    wordings: &[
        "location|region|country|territory|countries|regions .. not supported|not available|unsupported|not allowed|restricted|not permitted|不支持",
        "not supported|not available|unavailable|unsupported|not allowed|blocked|restricted .. your country|your region|your location|this country|this region|country|countries|regions|territor",
        "must be verified|identity verification|verify your organization|verify your account|not verified|real-name|complete verification|phone number",
        "not have permission|no permission|not have permissions|insufficient permission|lacks permission|lack permission|lack required permission|permission denied|missing permission|not authorized to|not allowed to access|not permitted to|missing scope|not have required",
        "access denied|access is denied|access to bedrock models is not allowed",
        "organization policy|organizational policy|org policy .. constraint|violated",
        "access to .. denied|is not available|restricted|requires",
        "access to this model is not available|use case details have not been submitted|gated model|gated repo|accept terms|accept license|agree to|accept model",
        "operation not allowed|operation is not allowed|not allowed to use|is not eligible|not eligible to use",
        "has not been used in project|api has not been enabled|api is not enabled|it is disabled",
        "is only available to|only available for|currently only available|only available on|not included in your plan|not available on your plan|plan does not include|plan not support",
        "无权|没有权限|权限不足|未授权|未开放|实名",
    ],
};

/// The provider has no room, or is not ready yet.
pub const BUSY: Words = Words {
    codes: "overload unavailable capacity modelnotready modelloading notready serverbusy enginebusy insufficientsystemresource \
            nohealthy noavailable warmingup coldstart scalingup slowdown",
    except: "overloads",
    wordings: &[
        "overload|over capacity|at capacity|no capacity|full capacity|insufficient capacity|not enough capacity|out of capacity|capacity exceed|lack of capacity",
        "exceed .. capacity",
        "server|servers|service|system|engine|model|provider|cluster .. busy|too busy",
        "busy, please|server_busy|is busy|are busy",
        "high demand|high load|heavy load|high traffic|heavy traffic|peak load|surge|high volume",
        "model|deployment|server|engine|instance|endpoint|worker .. loading|not ready|starting|warming|cold|scaling|waking|initializing|initialising|spinning|not warm|booting|provisioning",
        "loading model|cold start|currently loading|still loading|warming up|scaling up|starting up",
        "temporarily unavailable|currently unavailable|temporarily out|service unavailable|service is unavailable|temporarily down|under maintenance|down for maintenance",
        "no available|no healthy|no instances|no workers|no valid executor|no executor|no ready|no online|no servers|no endpoints available|no provider available|no replicas",
        "maximum pending requests|queue is full|queue full|request queue",
        "访问量过大|繁忙|过载|负载过高|服务不可用",
    ],
};

/// The provider's own clock ran out.
pub const LATE: Words = Words {
    codes: "timeout deadlineexceeded timedout",
    except: "invalidtimeout",
    wordings: &["timed out|time out|timeout|deadline exceed|deadline expired|took too long|超时"],
};

/// The provider failed.
pub const BROKEN: Words = Words {
    codes: "modelerrorexception modelstreamerror internalserver internalfailure internalerror",
    except: "",
    wordings: &["internal server error|internal error|internal service error|unexpected internal|内部错误"],
};

/// No provider takes such a request.
pub const CLIENTS: Words = Words {
    codes: "stringabovemaxlength stringtoolong invalidimage imagetoolarge imagetoosmall imageparse invalidbase64 unsupportedimage \
            unsupportedfile filetoolarge arrayabovemaxlength integerabovemax integerbelowmin decimalabovemax invalidjson \
            malformedjson",
    except: "",
    wordings: &[
        "image|images|picture|audio|video|file|files|document|pdf|attachment|media .. too large|too big|too small|too many|exceed|could not process|could not be processed|invalid|not valid|corrupt|unsupported|could not be decoded|can not be decoded|could not decode|failed to decode|failed to download|could not be downloaded|could not download|unable to download|not be fetched|failed to fetch|at most|maximum of|maximum number|not a valid|dimension|resolution|empty|can not be empty",
        "could not|can not|failed to|unable to|error while|timeout while .. process|decode|download|downloading|fetch|load|parse|read|open .. image|images|audio|video|file|url|document|pdf",
        "too many images|invalid image|unsupported image|invalid base64|illegal base64|invalid_base64|image url",
        "maximum of .. images|pages",
        "string too long|maximum length|max length of|should have at most",
        "at most .. characters|items",
        "max_tokens|max tokens|maxoutputtokens|max_output_tokens|max_completion_tokens|max_new_tokens|maximum tokens|completion tokens|output tokens .. too large|exceed|must be|less than|greater than|maximum|range|at most|invalid|is not|larger|supports|supported|>",
        "too large|invalid|exceed .. max_tokens|max_completion_tokens|max_new_tokens|maximum tokens",
    ],
};
