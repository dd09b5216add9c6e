export { type Indexable, SearchIndexer } from './indexer.ts'
export { MessageSearch } from './message-search.ts'
export { SearchRebuild, type SearchRebuildProgress } from './rebuild.ts'
