// kind tokenizer: a folder with a tokenizer's file, vectors.jsonl (texts, their ids, and back) and decode.jsonl
// (arbitrary ids, cut UTF-8). Everything is compared exactly. A tokenizer.model beside another file is held against
// `sp_ids`, SentencePiece's own.
#include "base/files.h"
#include "base/strings.h"
#include "golden/golden.h"
#include "text/streaming_decoder.h"
#include "text/utf8.h"

namespace longhaul::golden {

namespace {

std::string streamed(const Tokenizer& tokenizer, const std::vector<int64_t>& ids) {
  StreamingDecoder decoder(tokenizer);
  std::string text;
  for (int64_t id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

// "/w==" -> the byte FF.
std::string from_base64(const std::string& text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
    count += 6;
    if (count >= 8) bytes.push_back(static_cast<char>(bits >> (count -= 8) & 0xFF));
  }
  return bytes;
}

// Where the reference has no special tokens, a row has one text.
void compare_decoding(const Tokenizer& tokenizer, const Json& row, const Json& ids, const std::string& what,
                      Report& report) {
  std::vector<int64_t> list = ids.get<std::vector<int64_t>>();
  const Json plain = row.contains("decoded_skip_special") ? row["decoded_skip_special"] : row.at("decoded");
  report.equal(what + " decoded", to_utf8(tokenizer.decode_with_special(list)), row.at("decoded"));
  report.equal(what + " decoded without special", to_utf8(tokenizer.decode(list)), plain);
  report.equal(what + " streamed", streamed(tokenizer, list), plain);
}

void compare_text(const Tokenizer& tokenizer, const Json& row, const std::string& what, Report& report) {
  std::string text = row.at("text");
  std::vector<int64_t> ids, around = tokenizer.before_text();
  tokenizer.encode_with_special(text, ids);
  report.equal(what + " ids", ids, row.at("ids"));
  around.insert(around.end(), ids.begin(), ids.end());
  for (int64_t id : tokenizer.after_text()) around.push_back(id);
  const Json with_special = row.contains("ids_with_special") ? row["ids_with_special"] : row.at("ids");
  report.equal(what + " ids with special", around, with_special);
  std::vector<int64_t> threaded;
  encode_parallel(tokenizer, text, 2, threaded, true);
  report.equal(what + " ids on two threads", threaded, row.at("ids"));
  if (row.contains("bytes_b64")) {
    ids.clear();
    tokenizer.encode_with_special(from_base64(row["bytes_b64"]), ids);
    report.equal(what + " ids of the raw bytes", ids, row.at("ids"));
  }
  compare_decoding(tokenizer, row, with_special, what, report);
}

void compare_sentence_piece(const Tokenizer& tokenizer, const Json& row, const std::string& what, Report& report) {
  std::vector<int64_t> ids;
  tokenizer.encode(row.at("text").get<std::string>(), ids);
  report.equal(what + " ids of tokenizer.model", ids, row["sp_ids"]);
}

bool compare_tokenizer(const Fixture& fixture, Report& report) {
  std::string folder = fixture.info.at("folder"), model = path_join(folder, "tokenizer.model");
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(folder);
  std::unique_ptr<Tokenizer> sentence_piece = exists(model) ? make_tokenizer(model) : nullptr;
  for (const char* name : {"vectors.jsonl", "decode.jsonl"}) {
    int number = 0;
    if (!exists(path_join(folder, name))) continue;
    for (const std::string& line : split(read_file(path_join(folder, name)), '\n')) {
      std::string what = longhaul::str(name, ":", ++number);
      if (line.empty()) continue;
      Json row = parse_json(line, what);
      if (row.contains("text")) {
        compare_text(*tokenizer, row, what, report);
        if (sentence_piece && row.contains("sp_ids")) compare_sentence_piece(*sentence_piece, row, what, report);
      } else {
        compare_decoding(*tokenizer, row, row.at("ids"), what, report);
      }
    }
  }
  return true;
}

[[maybe_unused]] const bool claimed = claim("tokenizer", compare_tokenizer);

}  // namespace

}  // namespace longhaul::golden
