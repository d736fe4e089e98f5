#include "journal/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace longhaul {

namespace {

constexpr std::string_view kPrefix = "segment-", kSuffix = ".jsonl";

bool is_segment(const std::string& path) {
  std::string name = file_name(path);
  return name.starts_with(kPrefix) && name.ends_with(kSuffix);
}

// Segments of the folder itself in bytewise order of their names: the same merge on every machine.
std::vector<std::string> segments(const std::string& folder) {
  std::vector<std::string> found;
  for (const std::string& path : list_files(folder)) {
    if (is_segment(path) && path == path_join(folder, file_name(path))) found.push_back(path);
  }
  return found;
}

std::string key_of(const Json& record, const std::string& where) {
  bool keyed = record.is_object() && record.contains("key") && record["key"].is_string();
  check(keyed, where, ": a record must be an object with a string \"key\"");
  return record["key"].get<std::string>();
}

// A line counts when its newline is there and it parses. The last one may fail either: its writer was stopped inside
// append(), so nobody was told that it is safe. (A machine that loses power can leave a whole line of zero bytes.)
void read_segment(const std::string& path, const std::function<void(std::string key, Json record)>& add) {
  std::string text = read_file(path);
  size_t begin = 0;
  for (int64_t line = 1; begin < text.size(); ++line) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) return;
    std::string where = str(path, ":", line);
    Json record;
    try {
      record = parse_json(std::string_view(text).substr(begin, end - begin), where);
    } catch (const Error&) {
      if (end + 1 == text.size()) return;
      throw;
    }
    std::string key = key_of(record, where);
    add(std::move(key), std::move(record));
    begin = end + 1;
  }
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  for (char* c = name; *c; ++c) {
    if (!std::isalnum(static_cast<unsigned char>(*c)) && *c != '-' && *c != '.') *c = '_';
  }
  return name;
}

// O_EXCL decides who owns a name, on network file systems too; the counter steps over segments of an earlier process with
// the same number.
int create_segment(const std::string& folder) {
  for (int64_t counter = 0;; ++counter) {
    std::string path = path_join(folder, str(kPrefix, host_name(), "-", getpid(), "-", counter, kSuffix));
    int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0) {
      sync_folder(folder);
      return fd;
    }
    check(errno == EEXIST, path, ": cannot create a journal segment: ", std::strerror(errno));
  }
}

// True when the whole line is on disk; else errno says why not. A short write is followed by another, which either ends
// the line or learns the reason.
bool write_durably(int fd, std::string_view line) {
  while (!line.empty()) {
    ssize_t written = ::write(fd, line.data(), line.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) line.remove_prefix(written);
  }
  return fdatasync(fd) == 0;
}

}  // namespace

Journal Journal::open(const std::string& folder) {
  Journal journal;
  journal.folder_ = folder;
  make_folders(folder);
  for (const std::string& path : segments(folder)) {
    read_segment(path, [&](std::string key, Json) { journal.keys_.insert(std::move(key)); });
  }
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : folder_(std::move(other.folder_)), keys_(std::move(other.keys_)), fd_(std::exchange(other.fd_, -1)) {}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

void Journal::append(const Json& record) { append_all({&record, 1}); }

void Journal::append_all(std::span<const Json> records) {
  if (records.empty()) return;
  std::string lines;
  std::set<std::string> keys;
  for (const Json& record : records) {
    std::string key = key_of(record, folder_);
    check(!has(key) && keys.insert(key).second, folder_, ": the journal has key '", key, "' already");
    lines += json_text(record, folder_) + "\n";  // newlines in strings are escaped: one record, one line
  }
  if (fd_ < 0) fd_ = create_segment(folder_);
  if (!write_durably(fd_, lines)) {
    std::string reason = std::strerror(errno);
    ::close(fd_);
    fd_ = -1;  // what was written ends in the torn last line of that segment; a later append starts another
    std::string first = key_of(records.front(), folder_);
    fail(folder_, ": cannot append to the journal: ", reason,
         records.size() == 1 ? " (record '" : " (some records from '", first, records.size() == 1 ? "' is" : "' on are",
         " not stored, all before it are)");
  }
  keys_.merge(keys);
}

std::vector<Json> Journal::read(const std::string& folder) {
  check(is_folder(folder), folder, ": no such journal folder");
  std::set<std::string> seen;
  std::vector<Json> records;
  for (const std::string& path : segments(folder)) {
    read_segment(path, [&](std::string key, Json record) {
      if (seen.insert(std::move(key)).second) records.push_back(std::move(record));
    });
  }
  return records;
}

bool Journal::is_journal(const std::string& folder) { return is_folder(folder) && !segments(folder).empty(); }

}  // namespace longhaul
