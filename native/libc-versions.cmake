# Lets what is compiled on a newer system load where the C library is 2.28. In 2.34 libpthread, libdl and librt became part of libc.so.6, and what
# is linked there asks for a version that older ones do not have. Libraries of empty functions with the old names and versions, named before the
# real ones, make the linker ask for the old ones, which every later C library still has. They are needed at link time only.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(OLDEST_LIBC_VERSION GLIBC_2.17) # of all functions there
else()
  set(OLDEST_LIBC_VERSION GLIBC_2.2.5)
  set(DLMOPEN_VERSION GLIBC_2.3.4)
endif()

# add_older_library(NAME SONAME VERSION FUNCTION... [VERSION FUNCTION...]...): a library whose functions have the version before them.
function(add_older_library NAME SONAME)
  set(FOLDER ${CMAKE_CURRENT_BINARY_DIR}/older-libc)
  set(SOURCE "")
  set(MAP "")
  foreach(WORD ${ARGN})
    if(WORD MATCHES "^GLIBC_")
      if(MAP)
        string(APPEND MAP "};\n")
      endif()
      string(APPEND MAP "${WORD} {\n")
    else()
      string(APPEND SOURCE "extern \"C\" __attribute__((visibility(\"default\"))) void ${WORD}() {}\n")
      string(APPEND MAP "  ${WORD};\n")
    endif()
  endforeach()
  file(GENERATE OUTPUT ${FOLDER}/${NAME}.cc CONTENT "${SOURCE}")
  file(GENERATE OUTPUT ${FOLDER}/${NAME}.map CONTENT "${MAP}};\n")
  add_library(${NAME} SHARED EXCLUDE_FROM_ALL ${FOLDER}/${NAME}.cc)
  set_target_properties(${NAME} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${FOLDER} NO_SONAME TRUE)
  target_compile_options(${NAME} PRIVATE -w -fno-builtin)
  target_link_options(${NAME} PRIVATE -nostdlib -Wl,-soname,${SONAME} -Wl,--version-script,${FOLDER}/${NAME}.map)
endfunction()

add_older_library(older_pthread libpthread.so.0 ${OLDEST_LIBC_VERSION}
  __pthread_key_create pthread_attr_getstacksize pthread_attr_setstacksize
  pthread_condattr_setpshared pthread_create pthread_detach pthread_getspecific pthread_join pthread_key_create pthread_key_delete pthread_kill
  pthread_mutex_timedlock pthread_mutex_trylock pthread_mutexattr_destroy pthread_mutexattr_init pthread_mutexattr_setpshared
  pthread_mutexattr_settype pthread_once pthread_rwlock_destroy pthread_rwlock_init pthread_rwlock_rdlock pthread_rwlock_timedrdlock
  pthread_rwlock_timedwrlock pthread_rwlock_tryrdlock pthread_rwlock_trywrlock pthread_rwlock_unlock pthread_rwlock_wrlock
  pthread_rwlockattr_destroy pthread_rwlockattr_init pthread_rwlockattr_setpshared pthread_setspecific pthread_spin_destroy
  pthread_spin_init pthread_spin_lock pthread_spin_trylock pthread_spin_unlock sem_destroy sem_init sem_post sem_timedwait sem_trywait sem_wait)
add_older_library(older_dl libdl.so.2 ${OLDEST_LIBC_VERSION} dlclose dlerror dlopen dlsym dlvsym ${DLMOPEN_VERSION} dlmopen)
add_older_library(older_rt librt.so.1 ${OLDEST_LIBC_VERSION} shm_open shm_unlink)

# Some compilers leave out libraries that nobody has asked for yet, and the C++ library asks after these.
set(OLDER_LIBC -Wl,--push-state,--no-as-needed older_pthread older_dl older_rt -Wl,--pop-state)
