#include "libcommon/runtime/trampoline.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include "libcommon/base/error.h"
#include "libcommon/os/file.h"
#include "libcommon/os/idmap.h"
#include "libcommon/runtime/channel.h"

// The program: argv[0] is one byte, 48 + descriptor, and then the path to execute; the real argv follows. It makes the
// descriptor close-on-exec, executes, and on failure writes {ExecFailed, errno} to the descriptor and ends with 127
// (ENOENT) or 126.
#if defined(__x86_64__)
asm(R"(
  .section .rodata
  .globl proa_trampoline_begin, proa_trampoline_end
proa_trampoline_begin:
  mov 8(%rsp), %rbx
  movzbl (%rbx), %r12d
  sub $48, %r12d
  mov %r12d, %edi
  mov $2, %esi
  mov $1, %edx
  mov $72, %eax
  syscall
  lea 1(%rbx), %rdi
  lea 16(%rsp), %rsi
  mov (%rsp), %rax
  lea 16(%rsp,%rax,8), %rdx
  mov $59, %eax
  syscall
  neg %eax
  mov %eax, %r13d
  shl $8, %eax
  or $6, %eax
  push %rax
  mov %r12d, %edi
  mov %rsp, %rsi
  mov $2, %edx
  mov $1, %eax
  syscall
  mov $126, %edi
  cmp $2, %r13d
  jne 1f
  inc %edi
1:
  mov $231, %eax
  syscall
proa_trampoline_end:
  .text
)");
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
asm(R"(
  .section .rodata
  .globl proa_trampoline_begin, proa_trampoline_end
  .balign 4
proa_trampoline_begin:
  ldr x19, [sp, #8]
  ldrb w20, [x19]
  sub w20, w20, #48
  mov w0, w20
  mov x1, #2
  mov x2, #1
  mov x8, #25
  svc #0
  add x0, x19, #1
  add x1, sp, #16
  ldr x2, [sp]
  add x2, x1, x2, lsl #3
  mov x8, #221
  svc #0
  neg w21, w0
  lsl w22, w21, #8
  orr w22, w22, #6
  str x22, [sp, #-16]!
  mov w0, w20
  mov x1, sp
  mov x2, #2
  mov x8, #64
  svc #0
  mov x0, #126
  cmp w21, #2
  cinc x0, x0, eq
  mov x8, #94
  svc #0
proa_trampoline_end:
  .text
)");
constexpr std::uint16_t kMachine = EM_AARCH64;
#else
#error "the trampoline needs code for this machine"
#endif

extern "C" {
extern const char proa_trampoline_begin[];  // NOLINT: names of the assembler
extern const char proa_trampoline_end[];    // NOLINT
}

namespace proa::runtime {
namespace {

static_assert(static_cast<int>(Message::ExecFailed) == 6, "the trampoline's code holds this number");

constexpr std::uint64_t kAddress = 0x10000;
constexpr int kFdBase = 48;
constexpr int kMaxFd = 255 - kFdBase;

struct Image {
  Elf64_Ehdr header;
  Elf64_Phdr load;
};

Image make_image(std::size_t code_size) {
  Image image{};
  auto& header = image.header;
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = kMachine;
  header.e_version = EV_CURRENT;
  header.e_entry = kAddress + sizeof(Image);
  header.e_phoff = offsetof(Image, load);
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  auto& load = image.load;
  load.p_type = PT_LOAD;
  load.p_flags = PF_R | PF_X;
  load.p_vaddr = load.p_paddr = kAddress;
  load.p_filesz = load.p_memsz = sizeof(Image) + code_size;
  load.p_align = 0x1000;
  return image;
}

os::UniqueFd executable_memory() {
  // Linux 6.3 wants to be told that the file is meant to be executed; older kernels do not know the flag.
  constexpr unsigned kExec = 0x10;
  os::UniqueFd fd(::memfd_create("proa", MFD_CLOEXEC | MFD_ALLOW_SEALING | kExec));
  if (!fd.valid() && errno == EINVAL) fd = os::UniqueFd(::memfd_create("proa", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) throw system_error("memfd_create");
  return fd;
}

}  // namespace

bool own_binary_within_reach() {
  os::UniqueFd self = os::open("/proc/self/exe", O_PATH);
  struct stat info {};
  struct statvfs mount {};
  if (::fstat(self.get(), &info) != 0 || ::fstatvfs(self.get(), &mount) != 0)
    throw system_error("stat our own program");
  if ((mount.f_flag & ST_RDONLY) != 0 || info.st_nlink == 0) return false;  // a read-only mount, or sealed memory
  uid_t own = ::geteuid();
  // Root of a user namespace sees owners that are not mapped there, hence out of its containers' reach, as this number.
  constexpr uid_t kOverflow = 65534;
  bool reachable = own == 0 && (info.st_uid != kOverflow || !os::in_user_namespace());
  return reachable || info.st_uid == own || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

os::UniqueFd make_trampoline() {
  auto code_size = static_cast<std::size_t>(proa_trampoline_end - proa_trampoline_begin);
  Image image = make_image(code_size);
  os::UniqueFd fd = executable_memory();
  os::write_all(fd.get(), std::as_bytes(std::span(&image, 1)), "the trampoline");
  os::write_all(fd.get(), std::string_view(proa_trampoline_begin, code_size), "the trampoline");
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    throw system_error("seal the trampoline");
  }
  return fd;
}

int exec_by_trampoline(int trampoline, int report_fd, const std::string& program, const std::vector<char*>& argv,
                       const std::vector<char*>& envp) {
  if (report_fd > kMaxFd) return EBADF;
  std::string first = std::string(1, static_cast<char>(kFdBase + report_fd)) + program;
  std::vector<char*> words{first.data()};
  words.insert(words.end(), argv.begin(), argv.end());
  if (::fcntl(report_fd, F_SETFD, 0) != 0) return errno;
  ::syscall(SYS_execveat, trampoline, "", words.data(), envp.data(), AT_EMPTY_PATH);
  return errno;
}

}  // namespace proa::runtime
