/*
 * Numbers of the RISC-V Supervisor Binary Interface 2.0, for the firmware that answers the calls
 * and for the demo and the tests that make them. Section numbers are those of that document.
 */
#ifndef ROMS_COMMON_SBI_DEFS_H
#define ROMS_COMMON_SBI_DEFS_H

#define SBI_SPEC_VERSION 0x02000000ul   /* major 30:24, minor 23:0 */

/* Section 3: error codes. */
#define SBI_SUCCESS 0
#define SBI_ERR_FAILED (-1)
#define SBI_ERR_NOT_SUPPORTED (-2)
#define SBI_ERR_INVALID_PARAM (-3)
#define SBI_ERR_DENIED (-4)
#define SBI_ERR_INVALID_ADDRESS (-5)
#define SBI_ERR_ALREADY_AVAILABLE (-6)
#define SBI_ERR_ALREADY_STARTED (-7)
#define SBI_ERR_ALREADY_STOPPED (-8)
#define SBI_ERR_NO_SHMEM (-9)

/* Section 5: legacy calls, one extension number each. */
#define SBI_LEGACY_SET_TIMER 0x0
#define SBI_LEGACY_PUTCHAR 0x1
#define SBI_LEGACY_GETCHAR 0x2
#define SBI_LEGACY_CLEAR_IPI 0x3
#define SBI_LEGACY_SEND_IPI 0x4
#define SBI_LEGACY_FENCE_I 0x5
#define SBI_LEGACY_SFENCE_VMA 0x6
#define SBI_LEGACY_SFENCE_VMA_ASID 0x7
#define SBI_LEGACY_SHUTDOWN 0x8

#define SBI_EXT_BASE 0x10ul
#define SBI_EXT_TIME 0x54494d45ul
#define SBI_EXT_IPI 0x735049ul
#define SBI_EXT_RFENCE 0x52464e43ul
#define SBI_EXT_HSM 0x48534dul
#define SBI_EXT_SRST 0x53525354ul
#define SBI_EXT_PMU 0x504d55ul
#define SBI_EXT_DBCN 0x4442434eul

enum sbi_base_fid {
    SBI_BASE_SPEC_VERSION,
    SBI_BASE_IMPL_ID,
    SBI_BASE_IMPL_VERSION,
    SBI_BASE_PROBE,
    SBI_BASE_MVENDORID,
    SBI_BASE_MARCHID,
    SBI_BASE_MIMPID,
};

enum sbi_rfence_fid {
    SBI_RFENCE_FENCE_I,
    SBI_RFENCE_SFENCE_VMA,
    SBI_RFENCE_SFENCE_VMA_ASID,
};

enum sbi_hsm_fid {
    SBI_HSM_START,
    SBI_HSM_STOP,
    SBI_HSM_STATUS,
    SBI_HSM_SUSPEND,
};

enum sbi_hsm_state {
    SBI_HSM_STARTED,
    SBI_HSM_STOPPED,
    SBI_HSM_START_PENDING,
    SBI_HSM_STOP_PENDING,
    SBI_HSM_SUSPENDED,
    SBI_HSM_SUSPEND_PENDING,
    SBI_HSM_RESUME_PENDING,
};

#define SBI_HSM_SUSPEND_RETENTIVE 0x00000000u
#define SBI_HSM_SUSPEND_NON_RETENTIVE 0x80000000u

#define SBI_SRST_RESET 0
#define SBI_SRST_SHUTDOWN 0u
#define SBI_SRST_COLD_REBOOT 1u
#define SBI_SRST_WARM_REBOOT 2u
#define SBI_SRST_REASON_NONE 0u
#define SBI_SRST_REASON_FAILURE 1u

enum sbi_dbcn_fid {
    SBI_DBCN_WRITE,
    SBI_DBCN_READ,
    SBI_DBCN_WRITE_BYTE,
};

/* Section 11: performance monitoring. */
enum sbi_pmu_fid {
    SBI_PMU_NUM_COUNTERS,
    SBI_PMU_GET_INFO,
    SBI_PMU_CONFIG_MATCHING,
    SBI_PMU_START,
    SBI_PMU_STOP,
    SBI_PMU_FW_READ,
    SBI_PMU_FW_READ_HI,
    SBI_PMU_SNAPSHOT_SET_SHMEM,
};

#define SBI_PMU_CFG_SKIP_MATCH (1u << 0)
#define SBI_PMU_CFG_CLEAR_VALUE (1u << 1)
#define SBI_PMU_CFG_AUTO_START (1u << 2)
#define SBI_PMU_CFG_VUINH (1u << 3)
#define SBI_PMU_CFG_VSINH (1u << 4)
#define SBI_PMU_CFG_UINH (1u << 5)
#define SBI_PMU_CFG_SINH (1u << 6)
#define SBI_PMU_CFG_MINH (1u << 7)
#define SBI_PMU_CFG_ALL 0xffu

#define SBI_PMU_START_INIT_VALUE (1u << 0)
#define SBI_PMU_STOP_RESET (1u << 0)

#define SBI_PMU_INFO_FIRMWARE (1ul << 63)

#define SBI_PMU_EVENT_TYPE(index) ((uint32_t)(index) >> 16 & 0xfu)
#define SBI_PMU_EVENT_CODE(index) ((uint32_t)(index) & 0xffffu)
#define SBI_PMU_TYPE_GENERAL 0u
#define SBI_PMU_TYPE_CACHE 1u
#define SBI_PMU_TYPE_RAW 2u
#define SBI_PMU_TYPE_FIRMWARE 15u

#define SBI_PMU_EVENT_CYCLES 1u
#define SBI_PMU_EVENT_INSTRUCTIONS 2u
#define SBI_PMU_GENERAL_LAST 10u
#define SBI_PMU_CACHE_LAST 0x35u

/* Section 11.5: firmware events, in the document's order. */
enum sbi_fw_event {
    SBI_FW_MISALIGNED_LOAD,
    SBI_FW_MISALIGNED_STORE,
    SBI_FW_ACCESS_LOAD,
    SBI_FW_ACCESS_STORE,
    SBI_FW_ILLEGAL_INSN,
    SBI_FW_SET_TIMER,
    SBI_FW_IPI_SENT,
    SBI_FW_IPI_RECEIVED,
    SBI_FW_FENCE_I_SENT,
    SBI_FW_FENCE_I_RECEIVED,
    SBI_FW_SFENCE_VMA_SENT,
    SBI_FW_SFENCE_VMA_RECEIVED,
    SBI_FW_SFENCE_VMA_ASID_SENT,
    SBI_FW_SFENCE_VMA_ASID_RECEIVED,
    SBI_FW_EVENT_LAST = 21,   /* the hfence events, which stay at zero */
    SBI_FW_EVENT_PLATFORM = 0xffff,
};

#endif
