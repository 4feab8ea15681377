export { createStatisticsRollUp } from './roll-up-statistics.js';
export { createStatisticsStore, type Statistics, type StatisticsStore } from './statistics-store.sql.js';
