// What newer C libraries than 2.28 have and the libraries that are linked into the addon ask for, so that an addon compiled on a newer system
// loads on an older one. libc-versions.cmake does the same for functions that only have a newer version there. All of it is hidden: nobody
// outside the addon sees it.

#include <features.h>

#ifdef __GLIBC__
#include <link.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// 2.33 made functions of what had been macros. The structures are the kernel's on every 64-bit system.
#if __GLIBC_PREREQ(2, 33)
extern "C" int fstat(int descriptor, struct stat* result) noexcept {
  return static_cast<int>(syscall(SYS_fstat, descriptor, result));
}

extern "C" int fstatat(int folder, const char* path, struct stat* result, int flags) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, folder, path, result, flags));
}
#endif

// 2.32: whether the C++ library may do without atomic operations. A process that loads addons has threads.
#if __GLIBC_PREREQ(2, 32)
extern "C" char __libc_single_threaded;
char __libc_single_threaded = 0;
#endif

// 2.36: random numbers for std::random_device.
#if __GLIBC_PREREQ(2, 36)
extern "C" uint32_t arc4random() noexcept {
  uint32_t number = 0;
  for (;;) {
    const long got = syscall(SYS_getrandom, &number, sizeof number, 0);
    if (got == static_cast<long>(sizeof number)) return number;
    if (got < 0 && errno != EINTR) abort();
  }
}
#endif

// 2.35: where the unwinder finds the frames of a program counter. The list of loaded objects has answered that before.
#if __GLIBC_PREREQ(2, 35)
namespace {

struct Search {
  uintptr_t address;
  dl_find_object* found;
};

int lookAt(dl_phdr_info* object, size_t, void* argument) {
  auto* search = static_cast<Search*>(argument);
  uintptr_t begin = UINTPTR_MAX;
  uintptr_t end = 0;
  bool holds = false;
  void* frames = nullptr;
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr)& header = object->dlpi_phdr[index];
    const uintptr_t from = object->dlpi_addr + header.p_vaddr;
    if (header.p_type == PT_GNU_EH_FRAME) frames = reinterpret_cast<void*>(from);
    if (header.p_type != PT_LOAD) continue;
    if (search->address >= from && search->address < from + header.p_memsz) holds = true;
    if (from < begin) begin = from;
    if (from + header.p_memsz > end) end = from + header.p_memsz;
  }
  if (!holds || frames == nullptr) return 0;
  search->found->dlfo_flags = 0;
  search->found->dlfo_map_start = reinterpret_cast<void*>(begin);
  search->found->dlfo_map_end = reinterpret_cast<void*>(end);
  search->found->dlfo_link_map = nullptr;
  search->found->dlfo_eh_frame = frames;
  return 1;
}

}  // namespace

extern "C" int _dl_find_object(void* address, dl_find_object* result) noexcept {
  Search search{reinterpret_cast<uintptr_t>(address), result};
  return dl_iterate_phdr(lookAt, &search) == 1 ? 0 : -1;
}
#endif
#endif
