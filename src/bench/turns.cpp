#include "bench/turns.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/child_process.h"
#include "base/error.h"

namespace longhaul {

namespace {

bool has_turns = false;  // of this process

constexpr const char* kAsk = "turn";  // the line by which a child asks; its other line is its row

// One cell on its way to its row.
class Player {
 public:
  explicit Player(const Json& cell)
      : child_(
            std::make_unique<ChildProcess>(std::vector<std::string>{"bench", "cell", cell.dump()}, ChildOutput::talk)) {
    listen();
  }

  bool plays() const { return child_ != nullptr; }
  void take_turn() {
    child_->say("\n");
    listen();
  }
  const Json& row() const { return row_; }

 private:
  // Until the child asks for a turn, or has ended.
  void listen() {
    std::string line, last;
    while (child_->read_line(line)) {
      if (line == kAsk) return;
      last = line;
    }
    const ChildEnd end = child_->wait();
    child_.reset();
    if (end.signal != 0)
      row_ = {{"error", str("killed by signal ", end.signal)}};
    else if (end.code != 0)
      row_ = {{"error", str("exit code ", end.code)}};
    else
      row_ = parse_json(last, "the cell's row");
  }

  std::unique_ptr<ChildProcess> child_;
  Json row_;
};

}  // namespace

std::vector<Json> measure_in_turns(const std::vector<Json>& cells) {
  std::vector<std::unique_ptr<Player>> players;
  for (const Json& cell : cells) players.push_back(std::make_unique<Player>(cell));
  for (bool any = true; any;) {
    any = false;
    for (auto& player : players) {
      if (!player->plays()) continue;
      player->take_turn();
      any = true;
    }
  }
  std::vector<Json> rows;
  for (auto& player : players) rows.push_back(player->row());
  return rows;
}

void take_turns() { has_turns = true; }

void wait_for_turn() {
  if (!has_turns) return;
  std::printf("%s\n", kAsk);
  std::fflush(stdout);
  char go = 0;
  ssize_t got;
  while ((got = ::read(STDIN_FILENO, &go, 1)) < 0 && errno == EINTR) {
  }
  if (got <= 0) std::exit(1);  // nobody is there any more who wants to know
}

}  // namespace longhaul
