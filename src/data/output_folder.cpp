#include "data/output_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace longhaul {

OutputFolder::OutputFolder(std::string output) : output_(std::move(output)) {
  while (output_.size() > 1 && output_.ends_with('/')) output_.pop_back();
  size_t slash = output_.rfind('/');
  parent_ = slash == std::string::npos ? "." : output_.substr(0, slash + 1);
  make_folders(parent_);
  for (int64_t counter = 0; sibling_.empty(); ++counter) {
    std::string path = str(output_, ".", getpid(), ".", counter, ".tmp");
    if (::mkdir(path.c_str(), 0777) == 0) sibling_ = path;
    check(!sibling_.empty() || errno == EEXIST, path, ": cannot create: ", std::strerror(errno));
  }
}

OutputFolder::~OutputFolder() {
  if (!sibling_.empty()) remove_all(sibling_);
}

void OutputFolder::publish() {
  sync_folder(sibling_);
  check(std::rename(sibling_.c_str(), output_.c_str()) == 0, output_, ": cannot be made: ", std::strerror(errno));
  sibling_.clear();
  sync_folder(parent_);
}

}  // namespace longhaul
