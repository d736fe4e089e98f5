// A folder that is made whole or not at all.
#pragma once
#include <string>

namespace longhaul {

// Work goes into a new folder beside the output (so that the final rename is one step); publish() renames it, a
// destructor without it leaves nothing behind.
class OutputFolder {
 public:
  // Makes the parents that are missing. Error when the folder cannot be made.
  explicit OutputFolder(std::string output);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  const std::string& path() const { return sibling_; }
  // Error when the output has appeared meanwhile with anything in it: two runs with one output cannot mix.
  void publish();

 private:
  std::string output_, parent_, sibling_;
};

}  // namespace longhaul
