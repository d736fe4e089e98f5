#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

#include "support.h"

namespace longhaul {
namespace {

// Known answers of `xxhsum -H2` (XXH3, 128 bits, seed 0).
TEST(Hash, KnownAnswers) {
  EXPECT_EQ(hash_hex(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_hex("a"), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(hash_hex("abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(Hash, PiecesAndFilesHashLikeTheWhole) {
  std::string bytes;
  for (int i = 0; i < 10'000; ++i) bytes += static_cast<char>(i * 7 % 256);
  Hasher hasher;
  for (size_t begin = 0; begin < bytes.size(); begin += 333) hasher.add(std::string_view(bytes).substr(begin, 333));
  EXPECT_EQ(hasher.hex(), hash_hex(bytes));
  EXPECT_EQ(hasher.hex(), hasher.hex());
  TemporaryFolder folder;
  write_file(folder / "x", bytes);
  EXPECT_EQ(hash_file(folder / "x"), hash_hex(bytes));
  write_file(folder / "empty", "");
  EXPECT_EQ(hash_file(folder / "empty"), hash_hex(""));
}

}  // namespace
}  // namespace longhaul
