// `longhaul tokenize TOKENIZER < text`: the ids of a text, or the text of ids.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/json.h"
#include "base/strings.h"
#include "cli/command.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

struct TokenizeFlags {
  std::string tokenizer;
  bool decode = false, count = false, special = false;
};

// "15496 995", "[15496, 995]" or one id a line.
std::vector<int64_t> parse_ids(std::string_view text) {
  constexpr std::string_view separators = " \t\r\n,[]";
  std::vector<int64_t> ids;
  for (size_t at = text.find_first_not_of(separators); at < text.size(); at = text.find_first_not_of(separators, at)) {
    size_t end = std::min(text.find_first_of(separators, at), text.size());
    ids.push_back(parse_integer(text.substr(at, end - at), "tokenize --decode: standard input"));
    at = end;
  }
  return ids;
}

std::vector<int64_t> encode(const Tokenizer& tokenizer, const std::string& text, bool special) {
  std::vector<int64_t> ids;
  if (special) ids = tokenizer.before_text();
  encode_parallel(tokenizer, text, common_flags().threads, ids, special);
  if (special) {
    for (int64_t id : tokenizer.after_text()) ids.push_back(id);
  }
  return ids;
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string ids_text(const std::vector<int64_t>& ids) {
  std::string line;
  for (int64_t id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
  return line + "\n";
}

int tokenize(const TokenizeFlags& flags) {
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(flags.tokenizer);
  std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  if (flags.decode) {
    std::vector<int64_t> ids = parse_ids(input);
    std::string text = flags.special ? tokenizer->decode_with_special(ids) : tokenizer->decode(ids);
    print(common_flags().json ? Json{{"text", to_utf8(text)}}.dump() + "\n" : text);
    return 0;
  }
  std::vector<int64_t> ids = encode(*tokenizer, input, flags.special);
  if (common_flags().json) {
    Json row = {{"bytes", input.size()}, {"count", ids.size()}};
    if (!flags.count) row["ids"] = ids;
    print(row.dump() + "\n");
  } else {
    print(flags.count ? std::to_string(ids.size()) + "\n" : ids_text(ids));
  }
  return 0;
}

LH_REGISTER(Commands, "tokenize", "ids of the text on standard input, or the text of ids", [](CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  app.add_option("tokenizer", flags->tokenizer, "bytes, a tokenizer.json or .model, or a folder that holds one")
      ->required();
  CLI::Option* decode = app.add_flag("--decode", flags->decode, "read ids, write their text");
  app.add_flag("--count", flags->count, "only say how many ids")->excludes(decode);
  app.add_flag("--special", flags->special,
               "special tokens written in the text become ids, those the tokenizer puts around a text are added; with "
               "--decode they are written out");
  return [flags] { return tokenize(*flags); };
});

}  // namespace

}  // namespace longhaul
