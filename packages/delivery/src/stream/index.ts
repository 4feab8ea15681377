export type { News, NewsAttempt, NewsDelivery, NewsItem, NewsPlace, NewsQuestion } from './news.js';
export { newsOfCustomerMax, readNews } from './read-news.sql.js';
