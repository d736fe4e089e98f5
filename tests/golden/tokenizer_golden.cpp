// kind tokenizer: a folder with tokenizer.json, vectors.jsonl (texts, their ids, and back) and decode.jsonl (arbitrary ids, cut
// UTF-8). Everything is compared exactly.
#include "base/files.h"
#include "base/strings.h"
#include "golden/golden.h"
#include "text/streaming_decoder.h"
#include "text/utf8.h"

namespace longhaul::golden {

namespace {

// SentencePiece, Unigram and the RWKV vocabulary are other tokenizers.
bool is_byte_level(const std::string& folder) {
  std::string path = path_join(folder, "tokenizer.json");
  return exists(path) && read_file(path).find("\"ByteLevel\"") != std::string::npos;
}

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

void compare_decoding(const Tokenizer& tokenizer, const Json& row, const Json& ids, const std::string& what,
                      Report& report) {
  std::vector<int64_t> list = ids.get<std::vector<int64_t>>();
  report.equal(what + " decoded", to_utf8(tokenizer.decode_with_special(list)), row.at("decoded"));
  report.equal(what + " decoded without special", to_utf8(tokenizer.decode(list)), row.at("decoded_skip_special"));
  report.equal(what + " streamed", streamed(tokenizer, list), row.at("decoded_skip_special"));
}

void compare_text(const Tokenizer& tokenizer, const Json& row, const std::string& what, Report& report) {
  std::string text = row.at("text");
  std::vector<int64_t> ids, around = tokenizer.before_text();
  tokenizer.encode_with_special(text, ids);
  report.equal(what + " ids", ids, row.at("ids"));
  around.insert(around.end(), ids.begin(), ids.end());
  for (int64_t id : tokenizer.after_text()) around.push_back(id);
  report.equal(what + " ids with special", around, row.at("ids_with_special"));
  std::vector<int64_t> threaded;
  encode_parallel(tokenizer, text, 2, threaded, true);
  report.equal(what + " ids on two threads", threaded, row.at("ids"));
  if (row.contains("bytes_b64")) {
    ids.clear();
    tokenizer.encode_with_special(from_base64(row["bytes_b64"]), ids);
    report.equal(what + " ids of the raw bytes", ids, row.at("ids"));
  }
  compare_decoding(tokenizer, row, row.at("ids_with_special"), what, report);
}

bool compare_tokenizer(const Fixture& fixture, Report& report) {
  std::string folder = fixture.info.at("folder");
  if (!is_byte_level(folder)) return false;
  std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(folder);
  for (const char* name : {"vectors.jsonl", "decode.jsonl"}) {
    int number = 0;
    for (const std::string& line : split(read_file(path_join(folder, name)), '\n')) {
      std::string what = longhaul::str(name, ":", ++number);
      if (line.empty()) continue;
      Json row = parse_json(line, what);
      if (row.contains("text")) {
        compare_text(*tokenizer, row, what, report);
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
