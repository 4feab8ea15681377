export { createAttemptReading } from './read-attempts.js';
export { createStatisticsStore, type Statistics, type StatisticsStore } from './statistics-store.sql.js';
