#include "train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace longhaul {

namespace fs = std::filesystem;

namespace {

constexpr char kPrefix[] = "step_";
constexpr char kTemporary[] = ".tmp";

// Whether a process of ours was writing this entry of a run folder, or of its checkpoints, when it died.
bool is_half_written(const std::string& name) {
  if (!name.ends_with(kTemporary)) return false;
  for (const char* written : {"train.json.", "config.json.", "model.safetensors.", kPrefix})
    if (name.starts_with(written)) return true;
  return false;
}

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  if (!is_folder(folder)) return names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  if (error) fail(folder, ": cannot list: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

void rename_over(const std::string& from, const std::string& to) {
  check(std::rename(from.c_str(), to.c_str()) == 0, to, ": cannot rename ", from, " to it: ", std::strerror(errno));
}

// `to` becomes another name of `from` in one step: whoever opens it sees the old or the new file.
void link_over(const std::string& from, const std::string& to) {
  std::string temporary = str(to, ".", ::getpid(), kTemporary);
  ::unlink(temporary.c_str());
  if (::link(from.c_str(), temporary.c_str()) == 0) {
    rename_over(temporary, to);
    ::unlink(temporary.c_str());  // still there when both were names of the same file already
    return;
  }
  write_file(to, [&](const WriteFn& write) {
    auto file = MappedFile::open(from);
    write({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()});
  });
}

// A lock and a half-written train.json are what a process leaves that died while it made the run.
void check_new(const std::string& path) {
  check(!exists(path_join(path, "train.json")), path, ": holds a run already; go on with `longhaul train --resume ",
        path, "` or choose another --out");
  for (const std::string& name : entries(path)) {
    check(name == "lock" || (name.starts_with("train.json.") && is_half_written(name)), path,
          ": a new run wants an empty folder, found '", name, "' in it; nothing was touched");
  }
}

}  // namespace

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

RunFolder RunFolder::create(const std::string& path) {
  check(!exists(path) || is_folder(path), path, ": exists and is not a folder");
  check_new(path);
  make_folders(path);
  RunFolder folder(path);
  folder.lock();
  check_new(path);  // again: another process may have been quicker
  folder.remove_temporaries();
  return folder;
}

RunFolder RunFolder::open(const std::string& path) {
  check(is_folder(path), path, ": no such run folder");
  check(exists(path_join(path, "train.json")), path, ": not a training run (it has no train.json)");
  RunFolder folder(path);
  folder.lock();
  folder.remove_temporaries();
  return folder;
}

std::string RunFolder::settings_path() const { return path_join(path_, "train.json"); }
std::string RunFolder::log_path() const { return path_join(path_, "log.jsonl"); }

std::string RunFolder::checkpoint_path(int64_t step) const {
  char name[32];
  std::snprintf(name, sizeof name, "%s%06lld", kPrefix, static_cast<long long>(step));
  return path_join(path_join(path_, "checkpoints"), name);
}

std::vector<int64_t> RunFolder::checkpoints() const {
  std::vector<int64_t> steps;
  for (const std::string& name : entries(path_join(path_, "checkpoints"))) {
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::string digits = name.substr(std::strlen(kPrefix));
    bool number = !digits.empty() && digits.size() < 19 && digits.find_first_not_of("0123456789") == std::string::npos;
    if (number) steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void RunFolder::lock() {
  std::string file = path_join(path_, "lock");
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  check(lock_ >= 0, file, ": cannot open: ", std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
    std::string owner = str("process ", ::getpid(), "\n");
    // Only for the message below; the lock is the flock.
    if (::ftruncate(lock_, 0) == 0) (void)!::pwrite(lock_, owner.data(), owner.size(), 0);
    return;
  }
  check(errno == EWOULDBLOCK, file, ": cannot lock: ", std::strerror(errno));
  char owner[64] = {};
  if (::pread(lock_, owner, sizeof owner - 1, 0) < 1) std::strcpy(owner, "another process");
  owner[std::strcspn(owner, "\n")] = 0;
  fail(path_, ": in use, ", owner, " is training in it");
}

void RunFolder::remove_temporaries() const {
  for (const std::string& folder : {path_, path_join(path_, "checkpoints")}) {
    for (const std::string& name : entries(folder)) {
      if (is_half_written(name)) remove_all(path_join(folder, name));
    }
  }
}

void RunFolder::save(int64_t step, int64_t keep, const std::function<void(const std::string&)>& write) {
  std::string target = checkpoint_path(step), temporary = target + kTemporary;
  std::string parent = path_join(path_, "checkpoints");
  make_folders(parent);
  remove_all(temporary);
  try {
    make_folders(temporary);
    write(temporary);
    sync_folder(temporary);
  } catch (const Error& error) {
    std::error_code ignored;  // the reason is `error`; a leftover is removed when the run is opened again
    fs::remove_all(temporary, ignored);
    std::vector<int64_t> whole = checkpoints();
    fail("step ", step, " was not saved: ", error.what(),
         whole.empty() ? std::string("; no checkpoint was there before")
                       : str("; the checkpoint of step ", whole.back(), " is whole"));
  }
  rename_over(temporary, target);
  sync_folder(parent);
  publish(step);
  rotate(keep);
}

void RunFolder::publish(int64_t step) const {
  for (const char* name : {"config.json", "model.safetensors"}) {
    link_over(path_join(checkpoint_path(step), name), path_join(path_, name));
  }
  sync_folder(path_);
}

void RunFolder::set_aside(int64_t step) const {
  std::string aside = checkpoint_path(step) + ".unreadable";
  remove_all(aside);
  rename_over(checkpoint_path(step), aside);
}

void RunFolder::rotate(int64_t keep) const {
  std::vector<int64_t> steps = checkpoints();
  if (keep == 0) return;
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    // Renamed first: a removal that is cut off never leaves half a checkpoint under a good name.
    std::string old = checkpoint_path(steps[i]);
    rename_over(old, old + kTemporary);
    remove_all(old + kTemporary);
  }
}

}  // namespace longhaul
