#include "journal/journal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>

#include "base/rng.h"
#include "support.h"

namespace longhaul {
namespace {

class JournalTest : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) {
    make_folders(folder_);
    std::ofstream(path_join(folder_, name), std::ios::binary) << text;
  }
  std::vector<std::string> files() { return list_files(folder_); }
  std::vector<std::string> keys() {
    std::vector<std::string> all;
    for (const Json& record : Journal::read(folder_)) all.push_back(record["key"]);
    return all;
  }

  TemporaryFolder temporary_;
  const std::string root_ = temporary_.path(), folder_ = temporary_ / "journal";
};

// Runs `body` in a child process; returns its id.
pid_t in_child(const std::function<void()>& body) {
  pid_t child = fork();
  if (child != 0) return child;
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

Json record(const std::string& key, const Json& value) { return {{"key", key}, {"value", value}}; }

TEST_F(JournalTest, RecordsComeBackWholeAndInOrder) {
  Json first = record("a", 0.1), second = record("b", "two\nlines \"quoted\" \xc3\xa4");
  {
    Journal journal = Journal::open(folder_);
    EXPECT_TRUE(files().empty());  // a run that appends nothing leaves no segment
    EXPECT_FALSE(Journal::is_journal(folder_));
    EXPECT_TRUE(Journal::read(folder_).empty());
    journal.append(first);
    Journal moved = std::move(journal);
    moved.append(second);
    EXPECT_TRUE(moved.has("a") && moved.has("b") && !moved.has("c"));
  }
  EXPECT_TRUE(Journal::is_journal(folder_));
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(Journal::read(folder_), (std::vector<Json>{first, second}));
  EXPECT_TRUE(Journal::open(folder_).has("b"));
}

TEST_F(JournalTest, RejectsWhatIsNoRecord) {
  Journal journal = Journal::open(folder_);
  journal.append(record("a", 1));
  EXPECT_EQ(error_of([&] { journal.append(record("a", 2)); }), folder_ + ": the journal has key 'a' already");
  EXPECT_EQ(error_of([&] {
              journal.append({{"key", 3}});
            }),
            folder_ + ": a record must be an object with a string \"key\"");
  EXPECT_EQ(error_of([&] { journal.append(Json::array({1})); }),
            folder_ + ": a record must be an object with a string \"key\"");
  EXPECT_NE(error_of([&] { journal.append(record("b", "\xff")); }).find("cannot be written as JSON"),
            std::string::npos);
  EXPECT_FALSE(journal.has("b"));
  EXPECT_EQ(keys(), std::vector<std::string>{"a"});
  EXPECT_EQ(error_of([&] { Journal::read(root_ + "/absent"); }), root_ + "/absent: no such journal folder");
}

TEST_F(JournalTest, RecordsThatEndTogetherAreOneAppend) {
  Journal journal = Journal::open(folder_);
  std::vector<Json> batch{record("a", 1), record("b", 2)};
  journal.append_all(batch);
  EXPECT_EQ(Journal::read(folder_), batch);
  batch = {record("c", 3), record("c", 4)};
  EXPECT_EQ(error_of([&] { journal.append_all(batch); }), folder_ + ": the journal has key 'c' already");
  EXPECT_FALSE(journal.has("c"));
}

TEST_F(JournalTest, EveryWriterHasASegmentOfItsOwn) {
  Journal one = Journal::open(folder_), two = Journal::open(folder_);
  one.append(record("a", 1));
  two.append(record("b", 2));
  EXPECT_EQ(files().size(), 2u);
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(JournalTest, TheFirstOfAKeyWinsInTheOrderOfSegmentNames) {
  put("segment-b-1-0.jsonl", "{\"key\":\"x\",\"value\":2}\n{\"key\":\"y\",\"value\":3}\n");
  put("segment-a-9-0.jsonl", "{\"key\":\"x\",\"value\":1}\n");
  put("log.jsonl", "not a segment");
  EXPECT_EQ(Journal::read(folder_), (std::vector<Json>{record("x", 1), record("y", 3)}));
}

TEST_F(JournalTest, ATornLastLineIsIgnoredAtEveryByte) {
  std::string whole = "{\"key\":\"a\",\"value\":1}\n", last = "{\"key\":\"b\",\"value\":[1,2]}\n";
  for (size_t cut = 0; cut <= last.size(); ++cut) {
    put("segment-h-1-0.jsonl", whole + last.substr(0, cut));
    std::vector<std::string> wanted = {"a"};
    if (cut == last.size()) wanted.push_back("b");
    EXPECT_EQ(keys(), wanted) << "cut at byte " << cut;
    Journal journal = Journal::open(folder_);
    EXPECT_EQ(journal.has("b"), cut == last.size());
  }
}

TEST_F(JournalTest, ABrokenLastLineIsIgnoredABrokenInnerLineIsNot) {
  std::string good = "{\"key\":\"a\"}\n", zeros(12, '\0');
  put("segment-h-1-0.jsonl", good + zeros + "\n");
  EXPECT_EQ(keys(), std::vector<std::string>{"a"});
  put("segment-h-1-0.jsonl", good + "{\"key\":\"b\"\n" + "{\"key\":\"c\"}\n");
  std::string path = path_join(folder_, "segment-h-1-0.jsonl");
  EXPECT_EQ(error_of([&] { keys(); }).find(path + ":2: not JSON"), 0u) << error_of([&] { keys(); });
  EXPECT_EQ(error_of([&] { Journal::open(folder_); }).find(path + ":2: not JSON"), 0u);
  put("segment-h-1-0.jsonl", good + "\n" + good);
  EXPECT_EQ(error_of([&] { keys(); }).find(path + ":2: "), 0u);
  put("segment-h-1-0.jsonl", good + "{\"name\":\"b\"}\n");
  EXPECT_EQ(error_of([&] { keys(); }), path + ":2: a record must be an object with a string \"key\"");
}

TEST_F(JournalTest, KillNineLosesNothingThatAppendReturnedFor) {
  Rng rng(11, stream_of("journal kill test"));
  int64_t acknowledged = 0;  // records 0 .. acknowledged - 1 were appended
  for (int round = 0; round < 12; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    pid_t child = in_child([&] {
      Journal journal = Journal::open(folder_);
      for (int64_t i = 0;; ++i) {
        if (journal.has(std::to_string(i))) continue;
        journal.append(record(std::to_string(i), std::string(i % 3000, 'x')));
        if (write(pipe_ends[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    });
    close(pipe_ends[1]);
    // Half the kills come while records flow, however busy the machine; the others may come before the first.
    if (round % 2 == 0) {
      int64_t first;
      ASSERT_EQ(read(pipe_ends[0], &first, sizeof first), static_cast<ssize_t>(sizeof first));
      acknowledged = std::max(acknowledged, first + 1);
    }
    usleep(static_cast<useconds_t>(500 + rng.below(15'000)));
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    for (int64_t i; read(pipe_ends[0], &i, sizeof i) == sizeof i;) acknowledged = std::max(acknowledged, i + 1);
    close(pipe_ends[0]);

    Journal journal = Journal::open(folder_);
    std::vector<Json> records = Journal::read(folder_);
    for (int64_t i = 0; i < acknowledged; ++i) EXPECT_TRUE(journal.has(std::to_string(i))) << "lost " << i;
    EXPECT_LE(static_cast<int64_t>(records.size()), acknowledged + 1);  // at most the one that nobody was told of
    for (const Json& found : records) {
      int64_t i = std::stoll(found["key"].get<std::string>());
      EXPECT_EQ(found["value"].get<std::string>(), std::string(i % 3000, 'x'));
    }
    acknowledged = static_cast<int64_t>(records.size());
  }
  EXPECT_GT(acknowledged, 0);
}

TEST_F(JournalTest, ProcessesWriteAtTheSameTime) {
  constexpr int kWriters = 5, kRecords = 40;
  std::vector<pid_t> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    children.push_back(in_child([&, writer] {
      Journal journal = Journal::open(folder_);
      for (int i = 0; i < kRecords; ++i) journal.append(record(str(writer, ":", i), i));
    }));
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(files().size(), size_t{kWriters});
  std::vector<std::string> found = keys();
  EXPECT_EQ(found.size(), size_t{kWriters * kRecords});
  EXPECT_EQ(std::set<std::string>(found.begin(), found.end()).size(), found.size());
}

// A limit on file sizes stands for a full disk: write(2) comes back short, then fails.
TEST_F(JournalTest, AFullDiskIsAClearErrorAndLosesNothing) {
  pid_t child = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    Journal journal = Journal::open(folder_);
    journal.append(record("a", std::string(100, 'x')));
    rlimit limit{200, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::string message = error_of([&] { journal.append(record("b", std::string(150, 'y'))); });
    check(message ==
              folder_ + ": cannot append to the journal: File too large (record 'b' is not stored, all before it are)",
          message);
    check(journal.has("a") && !journal.has("b"), "a must be stored, b must not");
    limit.rlim_cur = RLIM_INFINITY;  // somebody made room
    setrlimit(RLIMIT_FSIZE, &limit);
    journal.append(record("b", 2));
    journal.append(record("c", 3));
  });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(keys(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(Journal::read(folder_)[1], record("b", 2));
}

}  // namespace
}  // namespace longhaul
