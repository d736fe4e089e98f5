#include "engine/chat.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "models/end_tokens.h"

namespace longhaul {

namespace {

void check_fits(const Model& model, const Tokenizer& tokenizer, const ChatOptions& options) {
  const ModelInfo& info = model.info();
  shared_vocabulary(model, tokenizer, "chat");
  const int64_t longest = info.traits.longest;
  check(options.context >= 2, "chat: wanted a context of at least 2 tokens, got ", options.context);
  check(longest == 0 || options.context <= longest, "chat: a context of ", with_commas(options.context),
        " tokens, encoding '", info.position, "' ends at ", with_commas(longest));
  check(!options.cache || info.traits.grows(), "chat: encoding '", info.position,
        "' cannot go on from kept keys and values (", info.traits.note,
        "); --no-cache reads the whole text again for every token");
}

}  // namespace

Chat::Chat(const Model& model, const Tokenizer& tokenizer, ChatTemplate chat_template, ChatOptions options)
    : model_(model), tokenizer_(tokenizer), template_(std::move(chat_template)), options_(std::move(options)) {
  check_fits(model_, tokenizer_, options_);
  if (!options_.cache) {
    source_ = std::make_unique<RecomputedLogits>(model_, options_.context);
    return;
  }
  const int64_t room = ConversationLogits::room(model_, options_.context);
  engine_ = std::make_unique<Engine>(
      model_, EngineOptions{.tokens = room, .chunk = options_.chunk, .cache = options_.cache_type});
  source_ = std::make_unique<ConversationLogits>(
      *engine_, [this] { return stop_(); }, options_.context);
}

std::vector<int64_t> Chat::prompt() const {
  std::vector<int64_t> tokens;
  tokenizer_.encode_with_special(template_.render(conversation.messages(), true), tokens);
  check(!tokens.empty(), "chat: the template made nothing of the conversation");
  const auto length = static_cast<int64_t>(tokens.size());
  check(length < options_.context, "chat: the conversation has ", with_commas(length), " tokens, --context is ",
        with_commas(options_.context));
  return tokens;
}

Chat::Answer Chat::reply(const OnPiece& on_piece, const std::function<bool()>& stop) {
  check(!conversation.is_answered(), "chat: there is no question to answer");
  const std::vector<int64_t> tokens = prompt();
  Answer answer;
  answer.prompt = static_cast<int64_t>(tokens.size());
  stop_ = stop;
  GenerateOptions options = options_.generate;
  options.samples = 1;
  options.max_tokens = std::min(options.max_tokens, options_.context - answer.prompt);
  options.interrupted = stop;
  try {
    const GeneratedText made =
        generate_text(*source_, tokenizer_, tokens, options,
                      [&](int64_t, std::string_view piece, const auto& sample) { on_piece(piece, sample.tokens); });
    const GeneratedText::Sample& sample = made.samples.front();
    answer.text = sample.text, answer.finish = sample.finish, answer.tokens = sample.tokens;
    answer.prompt_seconds = made.tokens.prompt_seconds, answer.decode_seconds = made.tokens.decode_seconds;
    answer.decoded = made.tokens.decoded;
    if (engine_) answer.reused = static_cast<ConversationLogits&>(*source_).reused();
    conversation.answer(answer.text);
    ++options_.generate.seed;
  } catch (const PromptStopped&) {
    answer.finish = "interrupted";
  }
  return answer;
}

std::vector<int64_t> chat_end_tokens(const std::string& folder, const Tokenizer& tokenizer) {
  std::vector<int64_t> ends = end_tokens(folder), spelled;
  const Json special = read_special_tokens(folder);
  if (special.contains("eos_token")) tokenizer.encode_with_special(special["eos_token"].get<std::string>(), spelled);
  if (spelled.size() == 1) ends.push_back(spelled[0]);  // several: a text, not a token of this tokenizer
  return ends;
}

}  // namespace longhaul
