#include "io/event_file.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/hash.h"
#include "io/event_reader.h"

namespace longhaul {
namespace {

using Points = std::vector<std::pair<uint64_t, float>>;

// RFC 3720, B.4, and the usual check value.
TEST(Crc32c, KnownAnswers) {
  for (auto crc : {crc32c, slow_crc32c}) {
    EXPECT_EQ(crc("123456789"), 0xE3069283u);
    EXPECT_EQ(crc(std::string(32, '\0')), 0x8A9136AAu);
    EXPECT_EQ(crc(std::string(32, '\xff')), 0x62A8AB43u);
    EXPECT_EQ(crc(""), 0u);
  }
}

// Not std::time(), whose second may begin some milliseconds later.
double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

TEST(EventFile, HoldsWhatWasAdded) {
  TemporaryFolder folder;
  const double before = now();
  std::string path;
  {
    EventFile file(folder.path(), 1);
    file.add(1, {{"train/loss", 2.5}, {"train/learning_rate", 6e-4}});
    file.add(int64_t{1} << 40, {{"val/loss", -1e30}});
    path = file.path();
  }
  const std::vector<ReadEvent> events = read_events(path);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_TRUE(events[1].starts_session);
  EXPECT_EQ(events[1].step, 1u);
  EXPECT_EQ(events[2].step, 1u);
  EXPECT_EQ(events[2].scalars,
            (std::vector<std::pair<std::string, float>>{{"train/loss", 2.5f}, {"train/learning_rate", 6e-4f}}));
  EXPECT_EQ(events[3].step, uint64_t{1} << 40);
  EXPECT_EQ(events[3].scalars.at(0).second, -1e30f);
  for (const ReadEvent& event : events) {
    EXPECT_GE(event.wall_time, before);
    EXPECT_LE(event.wall_time, now());
  }
}

// Processes of the same second, too: the later file comes later, and its steps replace those of the same number.
TEST(EventFile, ALaterSessionReplacesWhatItDoesAgain) {
  TemporaryFolder folder;
  for (int64_t first : {1, 3, 2}) {
    EventFile file(folder.path(), first);
    for (int64_t step = first; step < first + 3; ++step)
      file.add(step, {{"x", static_cast<double>(10 * first + step)}});
  }
  EXPECT_EQ(event_files(folder.path()).size(), 3u);
  EXPECT_EQ(shown_by_tensorboard(folder.path()).at("x"), (Points{{1, 11}, {2, 22}, {3, 23}, {4, 24}}));
}

TEST(EventFile, AFolderThatIsNotThereIsOneClearError) {
  TemporaryFolder folder;
  EXPECT_TRUE(contains(error_of([&] { EventFile(folder / "absent", 1); }), "absent"));
}

}  // namespace
}  // namespace longhaul
