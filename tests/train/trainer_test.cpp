// The loop itself: what a step computes, exact resumption, and every way a run can be interrupted inside one process.
#include "train/trainer.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "nn/forward.h"
#include "runs.h"
#include "train/stop_signal.h"
#include "train/validation.h"

namespace longhaul {
namespace {

class TrainerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);  // the models are too small to share
    scratch_ = new TemporaryFolder;
    data_ = make_data(*scratch_);
  }
  static void TearDownTestSuite() { delete scratch_; }

  // A run that nothing disturbs.
  std::string finish(const TrainSettings& settings, const std::string& name) const {
    Trainer::start(settings, *scratch_ / name, quiet_context())->run(never_stop());
    return *scratch_ / name;
  }
  std::string resume_to_end(const std::string& run) const {
    Trainer::resume(run, {}, quiet_context())->run(never_stop());
    return run;
  }

  static TemporaryFolder* scratch_;
  static std::string data_;
};
TemporaryFolder* TrainerTest::scratch_ = nullptr;
std::string TrainerTest::data_;

// Bare shards (token_files.h) with a document every few tokens, in both splits.
std::string make_bare_data(const TemporaryFolder& scratch) {
  std::vector<uint16_t> ids;
  for (int i = 0; i < 600; ++i) ids.push_back(i % 11 == 0 || i % 29 == 0 ? 256 : 'a' + i * i % 26);
  std::string bytes(reinterpret_cast<const char*>(ids.data()), ids.size() * 2), folder = scratch / "bare";
  make_folders(folder);
  for (const char* name : {"train.bin", "val.bin"}) write_file(path_join(folder, name), bytes);
  return folder;
}

// Intra-document masking: a window is worth what its documents are, each run alone; without it, it is not.
TEST_F(TrainerTest, WithResetsAWindowIsItsDocumentsRunAlone) {
  std::string data = make_bare_data(*scratch_);
  for (const char* pos : {"cable", "rope", "learned"}) {
    TrainSettings settings = small_settings(data, 1);
    settings.tokenizer = "bytes";
    settings.dtype = "f64";
    settings.pos = pos;
    settings.order = "sequential";
    settings.warmup = settings.val_every = settings.val_tokens = 0;
    settings.eval_lengths = {};
    settings.reset_at_documents = true;
    auto trainer = Trainer::start(settings, *scratch_ / (std::string("reset-") + pos), quiet_context());
    int64_t tokens = trainer->settings().total_batch_tokens, length = trainer->settings().seq_len;
    std::vector<int64_t> ids(tokens + 1);
    Dataset::open(data, "bytes").split("train").read(0, ids);
    double sum = 0;
    for (int64_t begin = 0, end; begin < tokens; begin = end) {
      end = begin + 1;
      while (end < tokens && end % length != 0 && ids[end] != 256) ++end;
      TokenScores alone =
          score_tokens(trainer->model(), at::from_blob(&ids[begin], {end - begin}, at::kLong),
                       at::from_blob(&ids[begin + 1], {end - begin}, at::kLong), Sequences::equal(1, end - begin), {});
      sum -= alone.log_prob.sum().item<double>();
    }
    double wanted = sum / static_cast<double>(tokens);
    EXPECT_NEAR(trainer->run(never_stop()).loss, wanted, 1e-12 * wanted) << pos;
    settings.reset_at_documents = false;
    auto across = Trainer::start(settings, *scratch_ / (std::string("across-") + pos), quiet_context());
    EXPECT_GT(std::abs(across->run(never_stop()).loss - wanted), 1e-6 * wanted) << pos;
  }
}

// The logged loss of the first step is the mean over its tokens of -log p, taken from the scores.
TEST_F(TrainerTest, LossIsTheMeanOverTokens) {
  TrainSettings settings = small_settings(data_, 3);
  settings.dtype = "f64";
  auto trainer = Trainer::start(settings, *scratch_ / "mean", quiet_context());
  auto loader = make_loader(Dataset::open(data_).split("train"), trainer->settings().loader());
  double sum = 0;
  for (int pass = 0; pass < 2; ++pass) {
    Batch batch = loader->next();
    int64_t tokens = batch.sequences * batch.length;
    TokenScores scores = score_tokens(trainer->model(), at::from_blob(batch.inputs.data(), {tokens}, at::kLong),
                                      at::from_blob(batch.targets.data(), {tokens}, at::kLong),
                                      Sequences::equal(batch.sequences, batch.length), {});
    sum -= scores.log_prob.sum().item<double>();
  }
  TrainOutcome outcome = trainer->run(stop_after(1));
  EXPECT_NEAR(outcome.loss, sum / 256, 1e-12);
}

TEST_F(TrainerTest, AccumulationDoesNotChangeTheResult) {
  TrainSettings once = small_settings(data_, 4), twice = once;
  for (TrainSettings* settings : {&once, &twice}) {
    settings->dtype = "f64";
    settings->total_batch_tokens = 256;
  }
  once.batch = 8;
  twice.batch = 4;
  auto a = Trainer::start(once, *scratch_ / "once", quiet_context());
  auto b = Trainer::start(twice, *scratch_ / "twice", quiet_context());
  EXPECT_EQ(a->settings().accumulation(), 1);
  EXPECT_EQ(b->settings().accumulation(), 2);
  EXPECT_NEAR(a->run(never_stop()).loss, b->run(never_stop()).loss, 1e-6);
  for (size_t i = 0; i < a->model().parameters().all().size(); ++i) {
    const Parameter &p = a->model().parameters().all()[i], &q = b->model().parameters().all()[i];
    EXPECT_LE((p.tensor - q.tensor).abs().max().item<double>(), 1e-6) << p.name;
  }
}

TEST_F(TrainerTest, ValidationDoesNotDependOnTheBatch) {
  auto trainer = Trainer::start(small_settings(data_, 4), *scratch_ / "validation", quiet_context());
  Dataset dataset = Dataset::open(data_);
  const TokenSplit& split = dataset.split("val");
  double one = mean_loss(trainer->model(), split, 32, 1024, 1);
  EXPECT_NEAR(mean_loss(trainer->model(), split, 32, 1024, 5), one, 1e-6);
  EXPECT_NEAR(mean_loss(trainer->model(), split, 32, 1024, 32), one, 1e-6);
  EXPECT_NEAR(one, std::log(257.0), 0.3);  // an untrained model knows nothing
}

TEST_F(TrainerTest, ResumesBitForBit) {
  for (const char* pos : {"cable", "rope"}) {
    for (const char* order : {"sequential", "shuffled"}) {
      TrainSettings settings = small_settings(data_, 10);
      settings.pos = pos;
      settings.order = order;
      settings.recompute = settings.order == "shuffled";
      std::string name = str(pos, "_", order);
      std::string whole = finish(settings, name + "_whole"), parts = *scratch_ / (name + "_parts");
      TrainOutcome first = Trainer::start(settings, parts, quiet_context())->run(stop_after(5));
      EXPECT_EQ(first.stopped_by, "test");
      EXPECT_EQ(first.step, 5);
      Trainer::resume(parts, {}, quiet_context())->run(stop_after(8));
      expect_same_run(whole, resume_to_end(parts), 10);
    }
  }
}

TEST_F(TrainerTest, LearnsAndLogsEverything) {
  TrainSettings settings = small_settings(data_, 40);
  std::string run = finish(settings, "learns");
  std::vector<Json> steps, validations, lengths, attention;
  for (const std::string& line : log_lines(run)) {
    Json object = parse_json(line, "line");
    std::string kind = object["kind"];
    (kind == "step" ? steps : kind == "val" ? validations : kind == "lengths" ? lengths : attention).push_back(object);
  }
  ASSERT_EQ(steps.size(), 40u);
  EXPECT_EQ(steps[39]["tokens"], 40 * 256);
  EXPECT_LT(steps[39]["loss"].get<double>(), 0.6 * steps[0]["loss"].get<double>());
  EXPECT_EQ(validations.size(), 10u);
  EXPECT_EQ(lengths.size(), 10u);
  EXPECT_EQ(lengths[0]["lengths"], Json({32, 64, 128}));
  EXPECT_EQ(lengths[9]["losses"][0], validations[9]["val_loss"]);
  ASSERT_EQ(attention.size(), 20u);  // two layers at each validation
  for (const Json& object : attention) {
    ASSERT_EQ(object["zero_increments"].size(), 2u);  // heads
    ASSERT_EQ(object["skip_rate"].size(), 2u);
    for (const Json& fraction : object["zero_increments"]) {
      EXPECT_GE(fraction.get<double>(), 0);
      EXPECT_LE(fraction.get<double>(), 1);
    }
  }
}

TEST_F(TrainerTest, KeepsTheNewestCheckpointsAndPublishesTheLast) {
  TrainSettings settings = small_settings(data_, 11);
  settings.keep = 2;
  std::string run = finish(settings, "rotation");
  EXPECT_EQ(RunFolder::open(run).checkpoints(), (std::vector<int64_t>{9, 11}));
  EXPECT_EQ(bytes_of(path_join(run, "model.safetensors")),
            bytes_of(path_join(run, "checkpoints/step_000011/model.safetensors")));
  EXPECT_EQ(load_model(run)->info().position, "cable");
  settings.keep = 0;
  run = finish(settings, "keep_all");
  EXPECT_EQ(RunFolder::open(run).checkpoints(), (std::vector<int64_t>{0, 3, 6, 9, 11}));
}

TEST_F(TrainerTest, TornCheckpointFallsBackToTheOneBefore) {
  TrainSettings settings = small_settings(data_, 10);
  std::string whole = finish(settings, "torn_whole");
  int case_number = 0;
  auto damage = [&](const std::function<void(const std::string& checkpoint)>& tear) {
    std::string run = *scratch_ / str("torn_", case_number++);
    Trainer::start(settings, run, quiet_context())->run(stop_after(7));  // checkpoints 6 and 7
    tear(path_join(run, "checkpoints/step_000007"));
    auto trainer = Trainer::resume(run, {}, quiet_context());
    EXPECT_EQ(trainer->step(), 6);
    EXPECT_TRUE(is_folder(path_join(run, "checkpoints/step_000007.unreadable")));
    trainer->run(never_stop());
    expect_same_run(whole, run, 10);
  };
  damage([](const std::string& folder) {
    std::string path = path_join(folder, "model.safetensors");
    std::filesystem::resize_file(path, static_cast<uintmax_t>(file_size(path) / 2));
  });
  damage([](const std::string& folder) {
    std::string path = path_join(folder, "optimizer.safetensors"), bytes = bytes_of(path);
    bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
    write_file(path, bytes);
  });
  damage([](const std::string& folder) { remove_all(path_join(folder, "state.json")); });
}

TEST_F(TrainerTest, HalfWrittenTemporariesAreCleanedUp) {
  TrainSettings settings = small_settings(data_, 6);
  std::string whole = finish(settings, "temporaries_whole"), run = *scratch_ / "temporaries";
  Trainer::start(settings, run, quiet_context())->run(stop_after(4));
  make_folders(path_join(run, "checkpoints/step_000006.tmp"));
  write_file(path_join(run, "checkpoints/step_000006.tmp/model.safetensors"), "half");
  write_file(path_join(run, "model.safetensors.123.tmp"), "half");
  std::string log = bytes_of(path_join(run, "log.jsonl"));
  write_file(path_join(run, "log.jsonl"), log + "{\"kind\":\"step\",\"step\":5,\"lo");
  resume_to_end(run);
  EXPECT_FALSE(exists(path_join(run, "checkpoints/step_000006.tmp")));
  EXPECT_FALSE(exists(path_join(run, "model.safetensors.123.tmp")));
  expect_same_run(whole, run, 6);
}

TEST_F(TrainerTest, FullDiskLosesNothing) {
  StopSignals signals;  // a limit on the size of files must be an error and not SIGXFSZ
  TrainSettings settings = small_settings(data_, 10);
  std::string whole = finish(settings, "full_whole"), run = *scratch_ / "full";
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  auto fill_disk = [&](int64_t step) {
    rlimit small = before;
    small.rlim_cur = 16 * 1024;  // enough for the log
    if (step == 5) setrlimit(RLIMIT_FSIZE, &small);
    return std::string();
  };
  auto trainer = Trainer::start(settings, run, quiet_context());
  std::string message = error_of([&] { trainer->run(fill_disk); });
  setrlimit(RLIMIT_FSIZE, &before);
  trainer.reset();
  EXPECT_NE(message.find("step 6 was not saved"), std::string::npos) << message;
  EXPECT_NE(message.find("the checkpoint of step 3 is whole"), std::string::npos) << message;
  EXPECT_EQ(RunFolder::open(run).checkpoints(), (std::vector<int64_t>{0, 3}));
  expect_same_run(whole, resume_to_end(run), 10);
}

TEST_F(TrainerTest, NonFiniteLossStopsAndSavesNothing) {
  TrainSettings settings = small_settings(data_, 10);
  settings.lr = 1e30;
  settings.warmup = 0;
  std::string run = *scratch_ / "not_finite";
  auto trainer = Trainer::start(settings, run, quiet_context());
  std::string initial = bytes_of(path_join(run, "model.safetensors"));
  std::string message = error_of([&] { trainer->run(never_stop()); });
  EXPECT_NE(message.find("step 2: the "), std::string::npos) << message;
  EXPECT_NE(message.find("train tokens"), std::string::npos) << message;
  EXPECT_EQ(bytes_of(path_join(run, "model.safetensors")), initial);
  EXPECT_EQ(trainer->folder().checkpoints(), (std::vector<int64_t>{0}));
}

TEST_F(TrainerTest, OneProcessPerRun) {
  std::string run = *scratch_ / "busy";
  auto trainer = Trainer::start(small_settings(data_, 5), run, quiet_context());
  std::string message = error_of([&] { Trainer::resume(run, {}, quiet_context()); });
  EXPECT_NE(message.find("in use"), std::string::npos) << message;
  trainer.reset();
  EXPECT_NO_THROW(Trainer::resume(run, {}, quiet_context()));
}

TEST_F(TrainerTest, NothingIsOverwritten) {
  std::string busy = *scratch_ / "not_empty";
  make_folders(busy);
  write_file(path_join(busy, "thesis.txt"), "precious");
  std::string message = error_of([&] { Trainer::start(small_settings(data_, 5), busy, quiet_context()); });
  EXPECT_NE(message.find("empty folder"), std::string::npos) << message;
  EXPECT_EQ(bytes_of(path_join(busy, "thesis.txt")), "precious");
  std::string run = finish(small_settings(data_, 2 + 1), "finished");
  message = error_of([&] { Trainer::start(small_settings(data_, 5), run, quiet_context()); });
  EXPECT_NE(message.find("--resume"), std::string::npos) << message;
}

TEST_F(TrainerTest, StepsMayOnlyGrow) {
  std::string run = finish(small_settings(data_, 4), "grows");
  EXPECT_EQ(Trainer::resume(run, {}, quiet_context())->run(never_stop()).step, 4);  // nothing to do
  EXPECT_THROW(Trainer::resume(run, {3, ""}, quiet_context()), Error);
  EXPECT_EQ(Trainer::resume(run, {6, ""}, quiet_context())->run(never_stop()).step, 6);
  EXPECT_EQ(Trainer::resume(run, {}, quiet_context())->settings().steps, 6);
}

TEST_F(TrainerTest, FineTunesACheckpoint) {
  std::string base = finish(small_settings(data_, 12), "base");
  TrainSettings settings = small_settings(data_, 3);
  settings.arch = settings.pos = "";
  settings.init_from = base;
  auto trainer = Trainer::start(settings, *scratch_ / "tuned", quiet_context());
  EXPECT_EQ(bytes_of(path_join(base, "model.safetensors")), bytes_of(*scratch_ / "tuned/model.safetensors"));
  EXPECT_LT(trainer->run(never_stop()).loss, 5.0);
}

TEST_F(TrainerTest, FineTuningAtAnotherLengthIsTrainedAtThatLength) {
  for (const char* position : {"cable", "learned:max=128"}) {
    SCOPED_TRACE(position);
    TrainSettings settings = small_settings(data_, 3);
    settings.pos = position;
    std::string base = finish(settings, str("base_", position));
    EXPECT_EQ(load_model(base)->info().trained_length, 32);
    settings.arch = settings.pos = "";
    settings.init_from = base;
    for (int64_t length : {16, 64}) {
      settings.seq_len = length;
      std::string run = *scratch_ / str("tuned_", position, length);
      Trainer::start(settings, run, quiet_context())->run(stop_after(2));
      EXPECT_EQ(load_model(run)->info().trained_length, length);
      EXPECT_EQ(Trainer::resume(run, {}, quiet_context())->model().info().trained_length, length);
    }
  }
}

TEST_F(TrainerTest, LearnedTableDoesNotGrow) {
  TrainSettings settings = small_settings(data_, 3);
  settings.pos = "learned";
  settings.eval_lengths = {};
  std::string base = finish(settings, "table");
  settings.arch = settings.pos = "";
  settings.init_from = base;
  settings.seq_len = 64;
  std::string message = error_of([&] { Trainer::start(settings, *scratch_ / "grown", quiet_context()); });
  EXPECT_EQ(message, "encoding 'learned' ends at 32 tokens; --seq-len and --eval-lengths ask for 64");
  EXPECT_FALSE(exists(*scratch_ / "grown"));
  settings.seq_len = 16;  // the table stays what it is
  std::string shorter = *scratch_ / "shorter";
  Trainer::start(settings, shorter, quiet_context())->run(never_stop());
  EXPECT_EQ(load_model(shorter)->info().trained_length, 16);
  EXPECT_EQ(load_model(shorter)->info().traits.longest, 32);
}

TEST_F(TrainerTest, SettingsThatCannotBe) {
  auto rejects = [&](const std::string& wanted, const std::function<void(TrainSettings&)>& spoil) {
    TrainSettings settings = small_settings(data_, 5);
    spoil(settings);
    std::string out = *scratch_ / "rejected";
    std::string message = error_of([&] { Trainer::start(settings, out, quiet_context()); });
    EXPECT_NE(message.find(wanted), std::string::npos) << message;
    EXPECT_FALSE(exists(out));
  };
  rejects("--total-batch-tokens", [](TrainSettings& s) { s.total_batch_tokens = 200; });
  rejects("--vocab", [](TrainSettings& s) { s.vocab = 100; });
  rejects("--val-tokens", [](TrainSettings& s) { s.val_tokens = 1000; });
  rejects("--val-tokens", [](TrainSettings& s) { s.val_tokens = int64_t{1} << 40; });
  rejects("warm-up", [](TrainSettings& s) { s.warmup = 5; });
  rejects("learned", [](TrainSettings& s) { s.pos = "learned"; });  // eval_lengths are beyond its table
  rejects("unknown", [](TrainSettings& s) { s.pos = "cabel"; });
  rejects("order", [](TrainSettings& s) { s.order = "backwards"; });
}

TEST_F(TrainerTest, SettingsSurviveTheFile) {
  TrainSettings settings = small_settings(data_, 5);
  settings.seed = UINT64_MAX;
  settings.lr = 0.1 + 0.2;
  settings.recompute = true;
  settings.resolve(Dataset::open(data_));
  Json json = parse_json(settings.json().dump(), "settings");
  EXPECT_EQ(TrainSettings::from_json(json, "settings").json(), settings.json());
}

}  // namespace
}  // namespace longhaul
