// One scripted loop of tools by each SDK and framework for Node: `node loops.mjs CLIENT BASE MODEL` prints what the program heard.
// The simulator calls the tools that the user's line names; the program answers with the weather, and gets the answer in words.

const [, , client, base, model] = process.argv;
const LINE = 'call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}';
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const asked = [];
const weather = ({ city }) => (asked.push(city), `4 degrees in ${city}`);
let pieces = 0;
globalThis.AI_SDK_LOG_WARNINGS = false; // they would go to stdout

const LOOPS = {
  async "openai chat"() {
    const { default: OpenAI } = await import("openai");
    const sdk = new OpenAI({ baseURL: `${base}/v1`, apiKey: "k", maxRetries: 0 });
    const parameters = SCHEMA;
    const tool = { type: "function", function: { name: "get_weather", description: "The weather", parameters, parse: JSON.parse, function: weather } };
    const runner = sdk.chat.completions.runTools({ model, stream: true, messages: [{ role: "user", content: LINE }], tools: [tool] });
    runner.on("content", () => pieces++);
    return await runner.finalContent();
  },

  async "openai responses"() {
    const { default: OpenAI } = await import("openai");
    const sdk = new OpenAI({ baseURL: `${base}/v1`, apiKey: "k", maxRetries: 0 });
    const tools = [{ type: "function", name: "get_weather", parameters: SCHEMA, strict: true }];
    const input = [{ role: "user", content: LINE }];
    for (;;) {
      const stream = sdk.responses.stream({ model, input, tools, store: false });
      stream.on("response.output_text.delta", () => pieces++);
      const response = await stream.finalResponse();
      const calls = response.output.filter((item) => item.type === "function_call");
      if (!calls.length) return response.output_text;
      input.push(...response.output);
      for (const call of calls) input.push({ type: "function_call_output", call_id: call.call_id, output: weather(JSON.parse(call.arguments)) });
    }
  },

  async anthropic() {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const sdk = new Anthropic({ baseURL: base, apiKey: "k", maxRetries: 0 });
    const tools = [{ name: "get_weather", input_schema: SCHEMA }];
    const messages = [{ role: "user", content: LINE }];
    for (;;) {
      const stream = sdk.messages.stream({ model, max_tokens: 1000, messages, tools });
      stream.on("text", () => pieces++);
      const message = await stream.finalMessage();
      if (message.stop_reason !== "tool_use") return message.content.map((block) => block.text ?? "").join("");
      messages.push({ role: "assistant", content: message.content });
      const results = message.content.filter((block) => block.type === "tool_use");
      messages.push({ role: "user", content: results.map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) })) });
    }
  },

  async "ai openai chat"() {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return await ai(createOpenAI({ baseURL: `${base}/v1`, apiKey: "k" }).chat(model));
  },

  async "ai openai responses"() {
    const { createOpenAI } = await import("@ai-sdk/openai");
    return await ai(createOpenAI({ baseURL: `${base}/v1`, apiKey: "k" }).responses(model));
  },

  async "ai openai-compatible"() {
    const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
    return await ai(createOpenAICompatible({ name: "signalbox", baseURL: `${base}/v1`, apiKey: "k" })(model));
  },

  async "ai anthropic"() {
    const { createAnthropic } = await import("@ai-sdk/anthropic");
    return await ai(createAnthropic({ baseURL: `${base}/v1`, apiKey: "k" })(model));
  },

  async "langchain openai"() {
    const { ChatOpenAI } = await import("@langchain/openai");
    return await langchain(new ChatOpenAI({ model, apiKey: "k", maxRetries: 0, configuration: { baseURL: `${base}/v1` } }));
  },

  async "langchain anthropic"() {
    const { ChatAnthropic } = await import("@langchain/anthropic");
    return await langchain(new ChatAnthropic({ model, apiKey: "k", maxRetries: 0, maxTokens: 1000, anthropicApiUrl: base }));
  },
};

async function ai(chosen) {
  const { streamText, tool, jsonSchema, stepCountIs } = await import("ai");
  const get_weather = tool({ description: "The weather", inputSchema: jsonSchema(SCHEMA), execute: async (input) => weather(input) });
  const stream = streamText({ model: chosen, prompt: LINE, tools: { get_weather }, stopWhen: stepCountIs(4), maxRetries: 0, onError() {} });
  for await (const part of stream.fullStream) {
    if (part.type === "error") throw part.error;
    pieces += part.type === "text-delta";
  }
  return await stream.text;
}

async function langchain(chosen) {
  const { HumanMessage, ToolMessage } = await import("@langchain/core/messages");
  const bound = chosen.bindTools([{ name: "get_weather", description: "The weather", schema: SCHEMA }]);
  const messages = [new HumanMessage(LINE)];
  for (;;) {
    let answer;
    for await (const piece of await bound.stream(messages)) {
      answer = answer ? answer.concat(piece) : piece;
      pieces++;
    }
    if (!answer.tool_calls?.length) return typeof answer.content === "string" ? answer.content : answer.content.map((part) => part.text ?? "").join("");
    messages.push(answer);
    for (const { id, args } of answer.tool_calls) messages.push(new ToolMessage({ tool_call_id: id, content: weather(args) }));
  }
}

const text = await LOOPS[client]();
console.log(JSON.stringify({ text, asked, pieces }));
