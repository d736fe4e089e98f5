#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "support.h"

namespace longhaul {
namespace {

// A disk that is full after `bytes` of a file: write(2) then fails with EFBIG as it would with ENOSPC.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now{bytes, before_.rlim_max};
    check(setrlimit(RLIMIT_FSIZE, &now) == 0, "cannot limit the size of files");
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Files, WriteThenRead) {
  TemporaryFolder folder;
  const std::string bytes("a\0b\n", 4);
  write_file(folder / "x", bytes);
  EXPECT_EQ(read_file(folder / "x"), bytes);
  EXPECT_EQ(file_size(folder / "x"), 4);
  write_file(folder / "x", "");
  EXPECT_EQ(read_file(folder / "x"), "");
  write_file(folder / "x", [](const WriteFn& write) {
    for (int i = 0; i < 3; ++i) write("piece ");
  });
  EXPECT_EQ(read_file(folder / "x"), "piece piece piece ");
  EXPECT_EQ(list_files(folder.path()), std::vector<std::string>{folder / "x"});  // no temporary file is left
  sync_folder(folder.path());
}

TEST(Files, AFullDiskLeavesTheOldFileWhole) {
  TemporaryFolder folder;
  write_file(folder / "x", "old");
  std::string message = error_of([&] {
    FullDisk disk(1000);
    write_file(folder / "x", std::string(100'000, 'n'));
  });
  EXPECT_EQ(message, (folder / "x") + ": cannot write: File too large");
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(list_files(folder.path()).size(), 1u);
}

TEST(Files, AProducerThatThrowsLeavesTheOldFileWhole) {
  TemporaryFolder folder;
  write_file(folder / "x", "old");
  auto broken = [](const WriteFn& write) {
    write("half");
    fail("the producer gave up");
  };
  EXPECT_EQ(error_of([&] { write_file(folder / "x", broken); }), "the producer gave up");
  EXPECT_EQ(read_file(folder / "x"), "old");
  EXPECT_EQ(list_files(folder.path()).size(), 1u);
}

TEST(Files, WhatCannotBeWrittenIsOneClearLine) {
  TemporaryFolder folder;
  write_file(folder / "file", "x");
  make_folders(folder / "inner/deep");
  EXPECT_EQ(error_of([&] { write_file(folder / "absent/x", "new"); }),
            (folder / "absent/x") + ": cannot write: No such file or directory");
  EXPECT_EQ(error_of([&] { write_file(folder / "file/x", "new"); }),
            (folder / "file/x") + ": cannot write: Not a directory");
  EXPECT_EQ(error_of([&] { write_file(folder / "inner", "new"); }),
            (folder / "inner") + ": cannot write: wanted a file, found a folder");
  EXPECT_EQ(error_of([] { write_file("/dev/null", "new"); }),
            "/dev/null: cannot write: wanted a file, found something else");
  EXPECT_TRUE(contains(error_of([&] { make_folders(folder / "file"); }), "cannot make the folder"));
  EXPECT_TRUE(contains(error_of([&] { make_folders(folder / "file/x"); }), "cannot make the folder"));
}

TEST(Files, AFolderWithoutWritePermission) {
  if (geteuid() == 0) GTEST_SKIP() << "permissions do not bind the superuser";
  TemporaryFolder folder;
  make_folders(folder / "closed");
  write_file(folder / "closed/x", "old");
  chmod((folder / "closed").c_str(), 0555);
  std::string message = error_of([&] { write_file(folder / "closed/x", "new"); });
  std::string kept = read_file(folder / "closed/x");
  chmod((folder / "closed").c_str(), 0755);
  EXPECT_EQ(message, (folder / "closed/x") + ": cannot write: Permission denied");
  EXPECT_EQ(kept, "old");
}

TEST(Files, WhatCannotBeReadIsOneClearLine) {
  TemporaryFolder folder;
  const std::string absent = folder / "absent";
  EXPECT_EQ(error_of([&] { read_file(absent); }), absent + ": cannot read: No such file or directory");
  EXPECT_EQ(error_of([&] { MappedFile::open(absent); }), absent + ": cannot read: No such file or directory");
  EXPECT_EQ(error_of([&] { file_size(absent); }), absent + ": cannot read: No such file or directory");
  EXPECT_EQ(error_of([&] { list_files(absent); }), absent + ": cannot read: no such file or folder");
  EXPECT_EQ(error_of([&] { read_file(folder.path()); }),
            folder.path() + ": cannot read: wanted a file, found a folder");
  EXPECT_EQ(error_of([&] { sync_folder(absent); }), absent + ": cannot open: No such file or directory");
}

TEST(Files, ANamedPipeIsNotWaitedFor) {
  TemporaryFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { read_file(folder / "pipe"); }),
            folder / "pipe" + ": cannot read: wanted a file, found something else");
}

TEST(Files, ListsRecursivelyInByteOrder) {
  TemporaryFolder folder;
  make_folders(folder / "b/c");
  make_folders(folder / "empty");
  for (const char* name : {"b/c/x", "b/a", "Z", "a", "b.txt", "\xc3\xa9"}) write_file(folder / name, "");
  std::vector<std::string> expected;
  for (const char* name : {"Z", "a", "b.txt", "b/a", "b/c/x", "\xc3\xa9"}) expected.push_back(folder / name);
  EXPECT_EQ(list_files(folder.path()), expected);
  EXPECT_EQ(list_files(folder / "a"), std::vector<std::string>{folder / "a"});
  EXPECT_EQ(file_name(folder / "b/c/x"), "x");
  remove_all(folder / "b");
  remove_all(folder / "b");  // what is gone already is no error
  EXPECT_FALSE(exists(folder / "b"));
  EXPECT_TRUE(is_folder(folder / "empty"));
  EXPECT_FALSE(is_folder(folder / "a"));
}

TEST(Files, MapsLiveAsLongAsTheirPointer) {
  TemporaryFolder folder;
  write_file(folder / "x", "mapped");
  std::shared_ptr<const MappedFile> copy;
  {
    auto file = MappedFile::open(folder / "x");
    copy = file;
  }
  remove_all(folder / "x");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(copy->bytes().data()), copy->bytes().size()), "mapped");
  EXPECT_EQ(copy->path(), folder / "x");
  write_file(folder / "empty", "");
  EXPECT_TRUE(MappedFile::open(folder / "empty")->bytes().empty());
}

}  // namespace
}  // namespace longhaul
