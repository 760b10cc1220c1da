// The catalogs that a server reads before it can answer a first query, with their indexes and TOAST tables, by the OIDs that
// src/include/catalog gives them in every version from 13 on.

/**
 * In the order in which a server asks for them, the others behind: pg_class, pg_attribute, pg_proc, pg_type, pg_index,
 * pg_operator, pg_opclass, pg_am, pg_amop, pg_amproc, pg_opfamily, pg_cast, pg_namespace, pg_attrdef, pg_constraint,
 * pg_rewrite, pg_trigger, pg_statistic, pg_statistic_ext, pg_collation, pg_aggregate, pg_inherits, pg_partitioned_table,
 * pg_range, pg_policy, pg_extension, pg_sequence, pg_depend; shared: pg_database, pg_authid, pg_auth_members, pg_tablespace,
 * pg_db_role_setting.
 */
export const hotOids: ReadonlySet<number> = new Set(
  `1260 1262 1259 1249 2610 2601 2616 2603 2687 2655 2662 2659 2679 2671 2672 2676 2677 2965 2684 2615 2663 2691 1255
   2690 2650 2600 2703 1247 2678 1213 1261 2187 2224 2228 2579 2602 2604 2605 2606 2608 2611 2617 2618 2619 2620 2651
   2652 2653 2654 2656 2657 2658 2660 2661 2664 2665 2666 2667 2673 2674 2680 2685 2686 2688 2689 2692 2693 2694 2695
   2696 2697 2698 2699 2701 2702 2704 2753 2754 2755 2756 2757 2836 2837 2838 2839 2964 3079 3080 3081 3085 3164 3256
   3257 3258 3350 3351 3379 3380 3381 3455 3456 3541 3542 3997 5002`
    .split(/\s+/)
    .map(Number),
);

/** pg_class itself: its rows say where the catalogs are that have no fixed place in pg_filenode.map. */
export const PG_CLASS = 1259;
