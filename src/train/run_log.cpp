#include "train/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

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

void add_scalars(EventFile& events, const Json& object) {
  const std::string& kind = object.at("kind").get_ref<const std::string&>();
  std::vector<EventScalar> scalars;
  auto add = [&](const char* tag, const char* field) { scalars.push_back({tag, object.at(field).get<double>()}); };
  if (kind == "step") {
    add("train/loss", "loss");
    add("train/gradient_norm", "norm");
    add("train/learning_rate", "lr");
    add("train/tokens_per_second", "tok_per_s");
  } else if (kind == "val") {
    add("val/loss", "val_loss");
    add("val/perplexity", "val_perplexity");
  } else if (kind == "lengths") {
    for (size_t i = 0; i < object.at("lengths").size(); ++i)
      scalars.push_back({"perplexity/" + format_length(object["lengths"][i]), object.at("perplexities")[i]});
  }
  if (!scalars.empty()) events.add(object.at("step"), scalars);
}

void RunLog::sync() { check(::fsync(file_) == 0, path_, ": cannot sync: ", std::strerror(errno)); }

}  // namespace longhaul
