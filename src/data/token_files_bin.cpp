// .bin shards: llm.c's (a header of 256 int32: magic, version, tokens; then ids) and nanoGPT's (uint16 ids and nothing else).
#include <array>
#include <cstring>

#include "data/token_files.h"

namespace longhaul {

namespace {

using Header = std::array<int32_t, 256>;

// llm.c has one magic and version for each width.
struct Kind {
  int32_t magic, version;
  int width;
};
constexpr Kind kKinds[] = {{20240520, 1, 2}, {20240801, 7, 4}};  // GPT-2, Llama 3

std::optional<TokenRegion> find_llm_c(std::span<const std::byte> bytes, const std::string& path) {
  Header header{};
  if (bytes.size() < sizeof header) return {};
  std::memcpy(header.data(), bytes.data(), sizeof header);
  for (const Kind& kind : kKinds) {
    if (header[0] != kind.magic) continue;
    check(header[1] == kind.version, path, ": llm.c: wanted version ", kind.version, " behind the magic ", kind.magic,
          ", found ", header[1]);
    int64_t size = static_cast<int64_t>(bytes.size() - sizeof header);
    check(header[2] >= 0 && int64_t{header[2]} * kind.width == size, path, ": llm.c: the header promises ", header[2],
          " ids of ", kind.width, " bytes, found ", size, " bytes");
    return TokenRegion{sizeof header, header[2], kind.width};
  }
  return {};
}

std::string llm_c_header(int64_t tokens, int width) {
  check(tokens <= INT32_MAX, "llm.c: a shard holds at most ", INT32_MAX, " tokens, got ", tokens,
        " (--shard-tokens makes them smaller)");
  for (const Kind& kind : kKinds) {
    if (kind.width != width) continue;
    Header header{kind.magic, kind.version, static_cast<int32_t>(tokens)};
    return {reinterpret_cast<const char*>(header.data()), sizeof header};
  }
  fail("llm.c: holds ids of 2 or 4 bytes, got ", width);
}

// Asked behind llm.c: its magics, read as two ids, are outside GPT-2's vocabulary.
std::optional<TokenRegion> find_nanogpt(std::span<const std::byte> bytes, const std::string& path) {
  check(bytes.size() % 2 == 0, path, ": nanogpt: wanted ids of 2 bytes, found ", bytes.size(), " bytes");
  return TokenRegion{0, static_cast<int64_t>(bytes.size() / 2), 2};
}

std::string nanogpt_header(int64_t, int width) {
  check(width == 2, "nanogpt: holds ids of 16 bits, the data's vocabulary needs 32 (llm.c holds those)");
  return "";
}

LH_REGISTER(TokenFormats, "llm.c", "llm.c shards: uint16 (GPT-2) or uint32 (Llama 3) behind a header",
            TokenFormat{".bin", find_llm_c, llm_c_header, false});
LH_REGISTER(TokenFormats, "nanogpt", "nanoGPT's train.bin and val.bin: uint16 and nothing else",
            TokenFormat{".bin", find_nanogpt, nanogpt_header, true});

}  // namespace

}  // namespace longhaul
