#include "train/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"

namespace longhaul {

RunLog::RunLog(std::string path, int64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  check(file_ >= 0, path_, ": cannot open: ", std::strerror(errno));
  int64_t size = ::lseek(file_, 0, SEEK_END);
  if (size < bytes_) {
    log_warning(path_, ": ", size, " bytes, the checkpoint remembers ", bytes_,
                ": earlier steps are missing from the log");
    bytes_ = size;
  }
  bool cut = ::ftruncate(file_, bytes_) == 0 && ::lseek(file_, bytes_, SEEK_SET) == bytes_;
  check(cut, path_, ": cannot cut back to ", bytes_, " bytes: ", std::strerror(errno));
}

RunLog::~RunLog() {
  if (file_ >= 0) ::close(file_);
}

void RunLog::append(const Json& object) {
  std::string line = object.dump() + "\n";
  ssize_t written = ::write(file_, line.data(), line.size());
  check(written == static_cast<ssize_t>(line.size()), path_,
        ": cannot write: ", written < 0 ? std::strerror(errno) : "no space left on the device");
  bytes_ += written;
}

void RunLog::sync() { check(::fsync(file_) == 0, path_, ": cannot sync: ", std::strerror(errno)); }

}  // namespace longhaul
