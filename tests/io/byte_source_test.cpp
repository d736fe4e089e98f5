#include "io/byte_source.h"

#include "base/rng.h"
#include "gzip.h"
#include "support.h"

namespace longhaul {
namespace {

// Reads in steps of `step` bytes until the source gives less.
std::string all_of(ByteSource& source, size_t step) {
  std::string all, part(step, '\0');
  for (size_t got = step; got == step;) {
    got = source.read(part);
    all.append(part, 0, got);
  }
  return all;
}

std::string unpacked(const std::string& packed, size_t step = 7) {
  return all_of(*gunzip(std::as_bytes(std::span(packed)), "x.gz"), step);
}

std::string text_of(size_t size) {
  Rng rng(3, stream_of("gzip"));
  std::string text;
  while (text.size() < size) text += str(rng.below(1000), " ");
  return text;
}

TEST(Gzip, IsReadInStepsOfAnySize) {
  std::string text = text_of(300'000), packed = gzip(text);
  for (size_t step : {size_t{1000}, size_t{65'536}, size_t{1} << 20}) EXPECT_EQ(unpacked(packed, step), text);
  EXPECT_EQ(unpacked(gzip("")), "");
}

TEST(Gzip, MembersFollowEachOtherAndZerosAreNoData) {
  EXPECT_EQ(unpacked(gzip("one ") + gzip("") + gzip("two")), "one two");
  EXPECT_EQ(unpacked(gzip("one") + std::string(1024, '\0')), "one");
}

TEST(Gzip, DamageIsOneLineWithTheByte) {
  std::string packed = gzip(text_of(2000));
  for (size_t size : {size_t{0}, size_t{5}, packed.size() / 2, packed.size() - 1}) {
    EXPECT_EQ(error_of([&] { unpacked(packed.substr(0, size)); }),
              str("x.gz: byte ", size, ": the gzip data ends in the middle; the file was cut short"));
  }
  std::string damaged = packed;
  damaged[packed.size() - 6] ^= 1;  // of the checksum
  EXPECT_EQ(error_of([&] { unpacked(damaged); }),
            str("x.gz: byte ", packed.size() - 4, ": damaged gzip data (incorrect data check)"));
  EXPECT_EQ(error_of([&] { unpacked("plain text"); }), "x.gz: byte 2: damaged gzip data (incorrect header check)");
  EXPECT_EQ(error_of([&] { unpacked(packed + "more"); }),
            str("x.gz: byte ", packed.size() + 2, ": damaged gzip data (incorrect header check)"));
}

TEST(Gzip, ANameDecidesAndALimitHolds) {
  TemporaryFolder folder;
  write_file(folder / "a.txt.gz", gzip("packed"));
  write_file(folder / "a.txt", gzip("packed"));
  write_file(folder / "bomb.gz", gzip(std::string(10'000'000, ' ')));
  EXPECT_EQ(read_bytes(folder / "a.txt.gz", 6), "packed");
  EXPECT_EQ(read_bytes(folder / "a.txt", 1000), gzip("packed"));
  EXPECT_EQ(error_of([&] { read_bytes(folder / "bomb.gz", 3'000'000); }),
            (folder / "bomb.gz") + ": wanted at most 3000000 bytes of text, found more");
}

}  // namespace
}  // namespace longhaul
