// `longhaul tokenize TOKENIZER < text`: the ids of a text, its pieces and where they are, or the text of ids.
#include <cstdio>

#include "base/json.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/input_lines.h"
#include "text/token_spans.h"
#include "text/utf8.h"

namespace longhaul {

namespace {

struct TokenizeFlags {
  std::string tokenizer;
  bool decode = false, count = false, special = false, pieces = false;
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

// The tokens with their spellings and bytes [begin, end) of the text, null where that cannot be told.
Json pieces_of(const Tokenizer& tokenizer, const std::string& text, const std::vector<int64_t>& ids) {
  Json rows = Json::array();
  const auto spans = token_spans(tokenizer, text, ids);
  for (size_t i = 0; i < ids.size(); ++i) {
    const Json offsets = spans[i] ? Json{spans[i]->begin, spans[i]->end} : Json();
    rows.push_back({{"id", ids[i]}, {"piece", to_utf8(tokenizer.piece(ids[i]))}, {"offsets", offsets}});
  }
  return rows;
}

std::string pieces_text(const Json& pieces) {
  std::string lines;
  for (const Json& piece : pieces) {
    const Json& offsets = piece["offsets"];
    char line[64];
    std::snprintf(line, sizeof line, "%8lld  %-16s  ", static_cast<long long>(piece["id"].get<int64_t>()),
                  offsets.is_null() ? "-" : str(offsets[0].get<int64_t>(), "..", offsets[1].get<int64_t>()).c_str());
    lines += line + piece["piece"].dump() + "\n";
  }
  return lines;
}

int tokenize(const TokenizeFlags& flags) {
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(flags.tokenizer);
  const std::string input = InputLines().rest();
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
    if (flags.pieces) row["pieces"] = pieces_of(*tokenizer, input, ids);
    print(row.dump() + "\n");
  } else if (flags.pieces) {
    print(pieces_text(pieces_of(*tokenizer, input, ids)));
  } else {
    print(flags.count ? std::to_string(ids.size()) + "\n" : ids_text(ids));
  }
  return 0;
}

LH_REGISTER(Commands, "tokenize", "ids of the text on standard input, or the text of ids", [](CLI::App& app) {
  auto flags = std::make_shared<TokenizeFlags>();
  app.add_option("tokenizer", flags->tokenizer, "bytes, a tokenizer.json or .model, or a folder that holds one")
      ->required();
  CLI::Option* decode = app.add_flag("--decode", flags->decode,
                                     "read ids, write their text: its bytes as they are, UTF-8 or not (with --json, "
                                     "U+FFFD stands for what is not)");
  CLI::Option* count = app.add_flag("--count", flags->count, "only say how many ids")->excludes(decode);
  app.add_flag("--pieces", flags->pieces, "a line for each token: id, bytes of the text that it stands for, spelling")
      ->excludes(decode)
      ->excludes(count);
  app.add_flag("--special", flags->special,
               "special tokens written in the text become ids, those the tokenizer puts around a text are added; with "
               "--decode they are written out");
  return [flags] { return tokenize(*flags); };
});

}  // namespace

}  // namespace longhaul
