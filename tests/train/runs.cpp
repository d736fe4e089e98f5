#include "runs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "base/files.h"
#include "base/rng.h"
#include "data/pack.h"

extern char** environ;

namespace longhaul {

std::string make_data(const TemporaryFolder& scratch) {
  static const char* const kWords[] = {"int ", "return ", "tensor", "(", ")", ";\n", " = ", "length", "const ", "x"};
  std::string sources = scratch / "sources", data = scratch / "data";
  make_folders(sources);
  for (uint64_t file = 0; file < 32; ++file) {
    Rng rng(1, stream_of("test data"), file);
    std::string text;
    while (text.size() < 2000) text += kWords[rng.below(std::size(kWords))];
    write_file(path_join(sources, str("file", file, ".txt")), text);
  }
  PackOptions options;
  options.inputs = {sources};
  options.output = data;
  options.val_every = 4;
  pack(options);
  return data;
}

TrainSettings small_settings(const std::string& data, int64_t steps) {
  TrainSettings settings;
  settings.arch = "gpt:layers=2,width=32,heads=2";
  settings.pos = "cable";
  settings.data = data;
  settings.seq_len = 32;
  settings.batch = 4;
  settings.total_batch_tokens = 256;
  settings.steps = steps;
  settings.lr = 1e-2;
  settings.warmup = 2;
  settings.val_every = 4;
  settings.val_tokens = 1024;
  settings.eval_lengths = {32, 64, 128};
  settings.save_every = 3;
  return settings;
}

RunContext quiet_context() {
  RunContext context;
  context.quiet = true;
  return context;
}

StopFn never_stop() {
  return [](int64_t) { return std::string(); };
}

StopFn stop_after(int64_t steps) {
  return [steps](int64_t step) { return std::string(step == steps ? "test" : ""); };
}

std::string bytes_of(const std::string& path) { return read_file(path); }

std::vector<std::string> log_lines(const std::string& run) {
  std::vector<std::string> lines;
  for (const std::string& line : split(bytes_of(path_join(run, "log.jsonl")), '\n')) {
    if (line.empty()) continue;
    Json object = parse_json(line, "log.jsonl");
    if (object["kind"] == "start") continue;
    object.erase("ms");
    object.erase("tok_per_s");
    lines.push_back(object.dump());
  }
  return lines;
}

void expect_same_run(const std::string& a, const std::string& b, int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step_%06lld", static_cast<long long>(step));
  for (const char* file : {"model.safetensors", "optimizer.safetensors", "config.json"}) {
    std::string path = path_join(path_join("checkpoints", name), file);
    EXPECT_TRUE(bytes_of(path_join(a, path)) == bytes_of(path_join(b, path))) << path;
  }
  for (const char* file : {"model.safetensors", "config.json"})
    EXPECT_TRUE(bytes_of(path_join(a, file)) == bytes_of(path_join(b, file))) << file;
  EXPECT_EQ(log_lines(a), log_lines(b));
}

Process::Process(const std::vector<std::string>& arguments, const std::string& stderr_path) {
  std::vector<std::string> all = {LH_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, stderr_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  int error = posix_spawn(&pid_, LH_PROGRAM, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  check(error == 0, LH_PROGRAM, ": cannot start: ", std::strerror(error));
}

Process::~Process() {
  if (ended_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, &status_, 0);
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::wait(double seconds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!ended_) {
    int changed = ::waitpid(pid_, &status_, WNOHANG);
    ended_ = changed == pid_;
    if (!ended_ && std::chrono::steady_clock::now() > end) return false;
    if (!ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

bool Process::exited_with(int code) const { return ended_ && WIFEXITED(status_) && WEXITSTATUS(status_) == code; }

}  // namespace longhaul
