// NumPy's .npy, format 1.0, one dimension of uint16: the shards of build-nanogpt and of the Cable repository.
#include <charconv>
#include <cstring>
#include <string_view>

#include "data/token_files.h"

namespace longhaul {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kPreamble = 10;  // magic, version, uint16 length of the header behind it

// The text behind "'key': ".
std::string_view value_of(std::string_view header, std::string_view key, const std::string& path) {
  size_t at = header.find(str("'", key, "':"));
  check(at != std::string_view::npos, path, ": npy header: wanted the key '", key, "', found none");
  std::string_view rest = header.substr(at + key.size() + 3);
  return rest.substr(std::min(rest.size(), rest.find_first_not_of(' ')));
}

// "(123,)"
int64_t length_of(std::string_view shape, const std::string& path) {
  int64_t tokens = -1;
  if (shape.starts_with('(')) {
    auto [end, error] = std::from_chars(shape.data() + 1, shape.data() + shape.size(), tokens);
    bool one_dimension = std::string_view(end, shape.data() + shape.size()).starts_with(",)");
    if (error != std::errc() || !one_dimension) tokens = -1;
  }
  check(tokens >= 0, path, ": npy header: shape: wanted one dimension, found '", shape.substr(0, shape.find('}')), "'");
  return tokens;
}

std::optional<TokenRegion> find(std::span<const std::byte> bytes, const std::string& path) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check(text.size() >= kPreamble && text.starts_with(kMagic), path, ": wanted an npy file, found other bytes");
  check(text[6] == 1 && text[7] == 0, path, ": npy: wanted format 1.0, found ", int{text[6]}, ".", int{text[7]});
  uint16_t length;
  std::memcpy(&length, text.data() + 8, sizeof length);
  check(length <= text.size() - kPreamble, path, ": npy: wanted a header of ", length, " bytes, found ",
        text.size() - kPreamble);
  std::string_view header = text.substr(kPreamble, length);
  std::string_view type = value_of(header, "descr", path);
  check(type.starts_with("'<u2'"), path, ": npy header: descr: wanted '<u2' (uint16), found ",
        type.substr(0, type.find(',')));
  TokenRegion region{static_cast<int64_t>(kPreamble) + length, length_of(value_of(header, "shape", path), path), 2};
  int64_t size = static_cast<int64_t>(text.size()) - region.offset;
  check(region.tokens == size / 2 && size % 2 == 0, path, ": npy: the header promises ", region.tokens,
        " ids of 2 bytes, found ", size, " bytes");
  return region;
}

std::string header(int64_t tokens, int width) {
  check(width == 2, "npy: these shards hold ids of 16 bits, the data's vocabulary needs 32 (llm.c holds those)");
  std::string text = str("{'descr': '<u2', 'fortran_order': False, 'shape': (", tokens, ",), }");
  constexpr size_t kAlignment = 64;  // of the data, as NumPy does
  text.append((kAlignment - (kPreamble + text.size() + 1) % kAlignment) % kAlignment, ' ');
  text += '\n';
  uint16_t length = static_cast<uint16_t>(text.size());
  std::string preamble(kMagic);
  preamble += std::string("\x01\x00", 2);
  preamble.append(reinterpret_cast<const char*>(&length), sizeof length);
  return preamble + text;
}

}  // namespace

LH_REGISTER(TokenFormats, "npy", "NumPy arrays of uint16 (build-nanogpt, the Cable repository)",
            TokenFormat{".npy", find, header, false});

}  // namespace longhaul
