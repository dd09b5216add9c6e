export {
  type Consumer,
  type ConsumerOptions,
  Dead,
  type Handlers,
  Later,
  startConsumer,
} from './consumer.ts'
export { idPart, type JobData, type JobName, type NewJob, pushJobs, type QueueName, queues } from './jobs.ts'
export { createProducer, type FailedJob, type Producer, type ProducerOptions } from './producer.ts'
